-- name: schema_comment
-- What a schema says of itself; no row where there is none.
select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %(schema)s;

-- name: steps
-- What published or undid sessions of the source, in the order of publication. A session that was judged again counted
-- as forced only the last time.
select
    syncs.sync_kind, syncs.started_at, syncs.published_at, sessions.session_id, sessions.is_forced
    and syncs.version = max(syncs.version) over (partition by sessions.session_id, syncs.sync_kind) as is_forced
from sync_metadata as syncs
cross join lateral unnest(syncs.candidate_sessions) as taken (session_id)
inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
where sessions.source = %(source)s and syncs.version is not null
order by syncs.version;

-- name: sessions_without_rows
-- Sessions whose raw rows are gone, also those whose syncs went with them.
select sessions.session_id
from scrape_sessions as sessions
where
    (
        sessions.session_id = any(%(session_ids)s)
        and sessions.rows_landed > 0
        and (
            sessions.raw_rows_removed_at is not null
            or not exists (
                select 1 from property_scrapes_staging as staged
                where staged.session_id = sessions.session_id and staged.landed_at = sessions.opened_at
            )
        )
    )
    or (
        sessions.source = %(source)s
        and sessions.status = 'complete'
        and sessions.raw_rows_removed_at is not null
        and not exists (select 1 from sync_sessions as taken where taken.session_id = sessions.session_id)
    )
order by sessions.opened_at, sessions.session_id;

-- name: look_back
-- Lets the replay read raw rows where they are, and settings, ids and scopes as they were at the instant of its clock.
create table replay_clock (started_at timestamptz not null, published_at timestamptz not null);

create function replayed_start() returns timestamptz
language sql stable
set search_path from current
as 'select started_at from replay_clock';

alter table sync_metadata alter column started_at set default replayed_start();
alter table validation_rules disable trigger user;
drop table sources, retired_scopes, listing_id_aliases, property_scrapes_staging, landing_rejects cascade;

create view property_scrapes_staging as select * from {live}.property_scrapes_staging;

create rule raw_rows_are_not_updated as on update to property_scrapes_staging do instead nothing;
create rule raw_rows_are_not_deleted as on delete to property_scrapes_staging do instead nothing;

create view landing_rejects as select * from {live}.landing_rejects;

create view listing_id_aliases as
select aliases.*
from {live}.listing_id_aliases as aliases
inner join replay_clock on aliases.aliased_at <= replay_clock.published_at;

create view retired_scopes as
select source, scope, retired_at
from (
    select distinct on (log.target, log.details ->> 'scope')
        log.target as source,
        log.details ->> 'scope' as scope,
        log.occurred_at as retired_at,
        log.action
    from {live}.admin_audit_log as log
    inner join replay_clock on log.occurred_at <= replay_clock.published_at
    where log.action in ('retire scope', 'restore scope')
    order by log.target, log.details ->> 'scope', log.audit_id desc
) as last_words
where action = 'retire scope';

create view changed_since as
select distinct on (log.action, log.target)
    log.action,
    log.target,
    nullif(log.details -> 'old', 'null') as earlier
from (
    select audit_id, split_part(action, ' ', 2) as action, target, occurred_at, details
    from {live}.admin_audit_log
) as log
inner join replay_clock on log.occurred_at > replay_clock.published_at
where log.action in ('sources', 'validation_rules')
order by log.action, log.target, log.audit_id;

create view sources as
select settings.*
from {live}.sources as present
left join changed_since on changed_since.action = 'sources' and present.source = changed_since.target
cross join
    lateral jsonb_populate_record(
        present,
        -- A replay must not clean up after its syncs.
        coalesce(changed_since.earlier, '{{}}') || '{{"retention_days": null, "personal_data_retention_days": null}}'
    ) as settings;

create view rules_then as
select rules.*
from {live}.validation_rules as present
full join changed_since on changed_since.action = 'validation_rules' and present.rule_name = changed_since.target
cross join
    lateral jsonb_populate_record(
        present,
        -- A rule that did not exist yet is kept, switched off, so that the shipped ones are not added again.
        case
            when changed_since.target is null then '{{}}'
            else coalesce(changed_since.earlier, '{{"is_enabled": false}}')
        end
    ) as rules
where rules.rule_name is not null;

-- name: stop_clock
-- Forgets the instant of the step before.
delete from replay_clock;

-- name: set_clock
-- Turns the clock to a step.
insert into replay_clock (started_at, published_at) values (%(started_at)s, %(published_at)s);

-- name: forget_rules
-- Makes room for the rules of a step.
delete from validation_rules;

-- name: restore_rules
-- Puts the rules as they were.
insert into validation_rules select * from rules_then;

-- name: hand_over
-- Hands a session to the next sync as it was scraped.
insert into scrape_sessions
select scraped.*
from {live}.scrape_sessions as sessions
cross join
    lateral jsonb_populate_record(
        sessions,
        jsonb_build_object(
            'status', 'scraped', 'is_forced', %(is_forced)s::boolean, 'published_at', null, 'completed_at', null,
            'may_publish', null, 'may_remove', null, 'verdict_reason', null, 'verdict', null
        )
    ) as scraped
where sessions.session_id = %(session_id)s
on conflict (session_id) do update set status = excluded.status, is_forced = excluded.is_forced;

-- name: compared
-- How many rows of changes and history there are, and those that differ, the first ones told. Listings whose personal
-- data were blanked are left out, since their raw rows were blanked as well.
with erased as (
    select distinct property_id from {live}.personal_data_erasures where source = %(source)s
),
recorded as (
    select
        'property_changes' as table_name, property_id, change_id::text as row_key,
        to_jsonb(changes) - array['sync_id', 'sequence', 'detected_at']
        || jsonb_build_object('place', row_number() over (partition by property_id order by sequence)) as content
    from {live}.property_changes as changes
    where source = %(source)s and is_published and property_id not in (select property_id from erased)
    union all
    select 'properties_history', property_id, version::text, to_jsonb(versions)
    from {live}.properties_history as versions
    where source = %(source)s and property_id not in (select property_id from erased)
),
replayed as (
    select
        'property_changes' as table_name, property_id, change_id::text as row_key,
        to_jsonb(changes) - array['sync_id', 'sequence', 'detected_at']
        || jsonb_build_object('place', row_number() over (partition by property_id order by sequence)) as content
    from {replay}.property_changes as changes
    where is_published and property_id not in (select property_id from erased)
    union all
    select 'properties_history', property_id, version::text, to_jsonb(versions)
    from {replay}.properties_history as versions
    where property_id not in (select property_id from erased)
),
differing as (
    select
        table_name, property_id, row_key, recorded.content as recorded, replayed.content as replayed
    from recorded
    full join replayed using (table_name, property_id, row_key)
    where recorded.content is distinct from replayed.content
)
select
    (select count(*) from recorded where table_name = 'property_changes') as changes,
    (select count(*) from recorded where table_name = 'properties_history') as versions,
    (select count(*) from erased) as erased_listings,
    (select count(*) from differing) as differences,
    coalesce(
        (
            select jsonb_agg(to_jsonb(told) order by told.table_name, told.property_id, told.row_key)
            from (
                select
                    table_name, property_id, row_key,
                    case
                        when replayed is null then 'missing in the replay'
                        when recorded is null then 'only in the replay'
                        else 'other values'
                    end as kind,
                    case when recorded is not null and replayed is not null then array(
                        select keys.name from jsonb_object_keys(recorded || replayed) as keys (name)
                        where recorded -> keys.name is distinct from replayed -> keys.name
                        order by keys.name
                    ) else '{{}}' end as columns,
                    recorded, replayed
                from differing
                order by table_name, property_id, row_key
                limit %(told)s
            ) as told
        ),
        '[]'
    ) as examples;

-- name: audit
-- Leaves a trace of the replay and of what it found.
insert into admin_audit_log (action, target, details) values ('replay from raw', %(source)s, %(details)s);
