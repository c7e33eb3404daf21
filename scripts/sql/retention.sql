-- name: limits
-- Per source, the instant before which raw rows may go: the days that a command gives, else the source's own.
select source, now() - make_interval(days => coalesce(%(days)s::integer, retention_days)) as keep_from
from sources
where coalesce(%(days)s::integer, retention_days) is not null
order by source;

-- name: old_partitions
-- Months of raw rows that are past for some sources; with `only_new` those of them with sessions not cleaned yet.
-- Sessions that may still land rows need the partition of theirs.
select
    months.partition_name, months.starts_at, months.ends_at, past.sources,
    exists (
        select 1 from scrape_sessions as sessions
        where
            sessions.status in ('running', 'interrupted')
            and sessions.opened_at >= months.starts_at
            and sessions.opened_at < months.ends_at
    ) as is_needed
from (
    select
        partitions.relname as partition_name,
        to_date(right(partitions.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC' as starts_at,
        (to_date(right(partitions.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as ends_at
    from pg_inherits as inherits
    inner join pg_class as partitions on inherits.inhrelid = partitions.oid
    where inherits.inhparent = 'property_scrapes_staging'::regclass
) as months
cross join lateral (
    select array_agg(limits.source order by limits.source) as sources
    from unnest(%(sources)s::text [], %(keep_from)s::timestamptz []) as limits (source, keep_from)
    where limits.keep_from >= months.ends_at
) as past
where
    past.sources is not null
    and (
        not %(only_new)s
        or exists (
            select 1 from scrape_sessions as sessions
            where
                sessions.source = any(past.sources)
                and sessions.status in ('complete', 'failed')
                and sessions.opened_at >= months.starts_at
                and sessions.opened_at < months.ends_at
                and sessions.raw_rows_removed_at is null
        )
    )
order by months.partition_name;

-- name: keep_rows
-- Copies the rows of a month that stay: other sources', unsynced and quarantined sessions', and those held back.
-- A renamed listing is held back under its published id, or under the new one when it was judged before the renaming.
create temporary table kept_rows on commit drop as
select staged.*
from property_scrapes_staging as staged
left join scrape_sessions as sessions on staged.session_id = sessions.session_id
left join listing_id_aliases as aliases on staged.property_id = aliases.landed_property_id
where
    staged.landed_at >= %(starts_at)s
    and staged.landed_at < %(ends_at)s
    and (
        staged.source <> all(%(sources)s)
        or coalesce(sessions.status not in ('complete', 'failed'), true)
        or exists (
            select 1 from rule_violations as violations
            where
                violations.property_id = any(array[staged.property_id, aliases.property_id])
                and violations.session_id = staged.session_id
                and violations.severity = 'error'
                and not exists (
                    select 1 from properties_live as live
                    where live.property_id = violations.property_id and live.observed_at > staged.observed_at
                )
        )
    );

-- name: count_rows
-- Rows of a month that go, and rows that stay.
select
    (
        select count(*) from property_scrapes_staging
        where landed_at >= %(starts_at)s and landed_at < %(ends_at)s
    ) - (select count(*) from kept_rows),
    (select count(*) from kept_rows);

-- name: mark_sessions
-- Remembers that the raw rows of finished sessions of a month have gone.
update scrape_sessions set raw_rows_removed_at = now()
where
    source = any(%(sources)s)
    and status in ('complete', 'failed')
    and opened_at >= %(starts_at)s
    and opened_at < %(ends_at)s
    and raw_rows_removed_at is null;

-- name: remove_rejects
-- Removes rows that could not be landed, of finished sessions that were opened before their source's instant.
delete from landing_rejects as rejects
using
    scrape_sessions as sessions,
    unnest(%(sources)s::text [], %(keep_from)s::timestamptz []) as limits (source, keep_from)
where
    rejects.session_id = sessions.session_id
    and sessions.source = limits.source
    and sessions.opened_at < limits.keep_from
    and sessions.status in ('complete', 'failed');

-- name: remove_pages
-- Removes pages of finished crawls that were opened before their source's instant, with the tries that failed.
with old as (
    select sessions.session_id
    from scrape_sessions as sessions
    inner join unnest(%(sources)s::text [], %(keep_from)s::timestamptz []) as limits (source, keep_from)
        on sessions.source = limits.source and sessions.opened_at < limits.keep_from
    where sessions.status in ('complete', 'failed')
),

errors as (
    delete from scrape_page_errors where session_id in (select session_id from old)
)

delete from scrape_pages where session_id in (select session_id from old);

-- name: expire_documents
-- Removes, or counts, documents of crawled pages that are older than their source keeps them.
select coalesce(sum(pages), 0)::bigint from delete_expired_page_bodies(is_dry_run => %(is_dry_run)s);

-- name: remove_runs
-- Removes failed syncs older than so many days with what they took, and requests of that age. Those that published belong
-- to the audit, and the last one to `status`.
with old as (
    select sync_id from sync_metadata
    where
        status = 'failed'
        and started_at < now() - make_interval(days => %(days)s)
        and started_at < (select max(started_at) from sync_metadata)
),

requests as (
    delete from sync_requests where requested_at < now() - make_interval(days => %(days)s)
),

taken as (
    delete from sync_sessions where sync_id in (select sync_id from old)
)

delete from sync_metadata where sync_id in (select sync_id from old);

-- name: now
-- The instant at which cleaning begins.
select now();

-- name: remove_syncs
-- Removes completed syncs that ended so many days ago, with what they took, where nothing can ask for them any more: no
-- row of the feed is theirs, their sessions are complete without raw rows, and a later sync of each scope, and of all,
-- is there. Raw rows that went in this very run count next time, as in a trial of it.
with last_of_scope as (
    select distinct on (sessions.source, sessions.scope) taken.sync_id
    from sync_sessions as taken
    inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
    inner join sync_metadata as syncs on taken.sync_id = syncs.sync_id
    where syncs.status = 'complete'
    order by sessions.source asc, sessions.scope asc, syncs.version desc nulls last, taken.sync_id asc
),

old as (
    select syncs.sync_id from sync_metadata as syncs
    where
        syncs.status = 'complete'
        and syncs.sync_kind = 'sync'
        and syncs.finished_at < now() - make_interval(days => %(days)s)
        and syncs.started_at < (select max(started_at) from sync_metadata)
        and syncs.version < (select max(version) from sync_metadata)
        and syncs.sync_id not in (select sync_id from last_of_scope)
        and not exists (select 1 from property_changes as changes where changes.sync_id = syncs.sync_id)
        and not exists (
            select 1 from sync_sessions as taken
            inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
            where
                taken.sync_id = syncs.sync_id
                and (sessions.status <> 'complete' or coalesce(sessions.raw_rows_removed_at >= %(begun_at)s, true))
        )
),

taken as (
    delete from sync_sessions where sync_id in (select sync_id from old)
)

delete from sync_metadata where sync_id in (select sync_id from old);

-- name: remove_rule_results
-- Removes evaluations and violations of sessions that were last judged so many days ago, are complete without raw rows,
-- and not the last one of their scope. What holds a listing back stays, and so do the last results of each rule, also
-- of one that was deleted, whose number goes on.
with evaluated as (
    select session_id, max(evaluated_at) as evaluated_at from rule_evaluations group by session_id
),

last_of_scope as (
    select distinct on (source, scope) session_id
    from scrape_sessions
    where status = 'complete'
    order by source asc, scope asc, observed_at desc, session_id asc
),

newest as (
    select * from (
        select distinct on (rule_name) sync_id from rule_evaluations
        order by rule_name asc, rule_version desc, evaluated_at desc, sync_id asc
    ) as of_version
    union
    select * from (
        select distinct on (rule_name) sync_id from rule_evaluations
        order by rule_name asc, evaluated_at desc, sync_id asc
    ) as of_time
),

old as (
    update scrape_sessions as sessions set rule_results_removed_at = now()
    from evaluated
    where
        sessions.session_id = evaluated.session_id
        and evaluated.evaluated_at < now() - make_interval(days => %(days)s)
        and sessions.status = 'complete'
        and sessions.session_kind in ('scrape', 'import')
        and sessions.raw_rows_removed_at < %(begun_at)s
        and sessions.session_id not in (select last_of_scope.session_id from last_of_scope)
        and not exists (
            select 1 from rule_evaluations as evaluations
            where evaluations.session_id = sessions.session_id and evaluations.sync_id in (select newest.sync_id from newest)
        )
        and not exists (
            select 1 from rule_violations as violations
            where
                violations.session_id = sessions.session_id
                and violations.severity = 'error'
                and not exists (
                    select 1 from properties_live as live
                    where live.property_id = violations.property_id and live.observed_at > violations.observed_at
                )
        )
    returning sessions.session_id
),

violations as (
    delete from rule_violations where session_id in (select session_id from old)
    returning session_id
),

evaluations as (
    delete from rule_evaluations where session_id in (select session_id from old)
    returning session_id
)

select session_id from violations
union all
select session_id from evaluations;

-- name: audit
-- Leaves a trace of what was removed or blanked.
insert into admin_audit_log (action, target, details) values (%(action)s, %(target)s, %(details)s);

-- name: erases
-- Whether any source limits how long personal data are kept.
select exists (select 1 from sources where personal_data_retention_days is not null);

-- name: unchecked_sessions
-- Finished sessions whose rows were not searched yet for listings that were blanked before.
create temporary table unchecked_sessions on commit drop as
select sessions.session_id
from scrape_sessions as sessions
inner join sources on sessions.source = sources.source
where
    sessions.personal_data_checked_at is null
    and sessions.status not in ('running', 'interrupted')
    and sources.personal_data_retention_days is not null;

-- name: due_erasures
-- Listings that left longer ago than their source keeps personal data, and that were not blanked in this spell; those
-- that a rollback took back have no spell. Those that were blanked are due again when rows of them landed later, or were
-- rolled back.
create temporary table due_erasures on commit drop as
with departed as (
    select property_id, spell_number, source, removed_at
    from properties_live
    where listing_status = 'removed'
    union all
    select changes.property_id, 0 as spell_number, min(changes.source) as source, max(changes.observed_at) as removed_at
    from property_changes as changes
    left join properties_live as live on changes.property_id = live.property_id
    where changes.change_type = 'retracted' and live.property_id is null
    group by changes.property_id
),

erased as (
    select property_id, max(spell_number) as spell_number
    from personal_data_erasures
    where undone_at is null
    group by property_id
),

unchecked as (
    select sessions.session_id, sessions.status = 'rolled_back' as is_rolled_back
    from scrape_sessions as sessions
    inner join sources on sessions.source = sources.source
    where
        sessions.personal_data_checked_at is null
        and sources.personal_data_retention_days is not null
        and sessions.source in (select source from personal_data_erasures)
),

named as (
    select staged.property_id, staged.observed_at, unchecked.is_rolled_back
    from unchecked
    inner join property_scrapes_staging as staged on unchecked.session_id = staged.session_id
    where num_nonnulls(staged.agent_name_text, staged.agent_phone_text, staged.agent_email_text, staged.payload) > 0
    union all
    select violations.property_id, violations.observed_at, unchecked.is_rolled_back
    from unchecked
    inner join rule_violations as violations on unchecked.session_id = violations.session_id
    where
        violations.field_name in ('agent_name', 'agent_phone', 'agent_email')
        and violations.found_value is not null
),

named_again as (
    select
        erased.property_id,
        min(case when named.is_rolled_back then '-infinity' else named.observed_at end) as observed_at
    from named
    left join listing_id_aliases as aliases on named.property_id = aliases.landed_property_id
    inner join erased on coalesce(aliases.property_id, named.property_id) = erased.property_id
    group by erased.property_id
)

select departed.property_id, departed.spell_number, departed.source, departed.removed_at
from departed
inner join sources on departed.source = sources.source
left join erased on departed.property_id = erased.property_id and departed.spell_number <= erased.spell_number
left join named_again on departed.property_id = named_again.property_id
where
    sources.personal_data_retention_days is not null
    and case
        when erased.property_id is null
            then departed.removed_at < now() - make_interval(days => sources.personal_data_retention_days)
        else named_again.observed_at <= departed.removed_at
    end
order by departed.property_id
limit %(limit)s;

-- name: due_ids
-- The ids under which raw rows of those listings landed: their own and those that they were renamed to.
create temporary table due_ids on commit drop as
select property_id as landed_property_id, removed_at
from due_erasures
union all
select aliases.landed_property_id, due.removed_at
from due_erasures as due
inner join listing_id_aliases as aliases on due.property_id = aliases.property_id;

-- name: count_due
-- How many listings those are, by source.
select source, count(*) from due_erasures group by source order by source;

-- name: take_publish_lock
-- The lock under which published tables change; it ends with the transaction.
select pg_advisory_xact_lock(20558, hashtext(current_schema()));

-- name: blank_live
-- Blanks the live table, also what it remembers of values that drifted.
update properties_live as live
set
    agent_name = null, agent_phone = null, agent_email = null,
    significant_baseline = live.significant_baseline - '{agent_name,agent_phone,agent_email}'::text []
from due_erasures as due
where live.property_id = due.property_id;

-- name: blank_history
-- Blanks every version of the history.
update properties_history as history
set agent_name = null, agent_phone = null, agent_email = null
from due_erasures as due
where
    history.property_id = due.property_id
    and num_nonnulls(history.agent_name, history.agent_phone, history.agent_email) > 0;

-- name: blank_changes
-- Blanks the feed: changes of these fields keep their place without values, full rows lose the keys.
update property_changes as changes
set
    old_value = case
        when changes.field_name is null and jsonb_typeof(changes.old_value) = 'object'
            then changes.old_value - '{agent_name,agent_phone,agent_email}'::text []
    end,
    new_value = case
        when changes.field_name is null and jsonb_typeof(changes.new_value) = 'object'
            then changes.new_value - '{agent_name,agent_phone,agent_email}'::text []
    end
from due_erasures as due
where
    changes.property_id = due.property_id
    and (
        changes.field_name in ('agent_name', 'agent_phone', 'agent_email')
        or changes.old_value ?| '{agent_name,agent_phone,agent_email}'
        or changes.new_value ?| '{agent_name,agent_phone,agent_email}'
    );

-- name: blank_raw_rows
-- Blanks the raw rows up to the removal, with the record as it came; what was seen since belongs to another life, unless
-- it was rolled back.
update property_scrapes_staging as staged
set agent_name_text = null, agent_phone_text = null, agent_email_text = null, payload = null
from due_ids as due
where
    staged.property_id = due.landed_property_id
    and (
        staged.observed_at <= due.removed_at
        or staged.session_id in (select session_id from scrape_sessions where status = 'rolled_back')
    )
    and num_nonnulls(staged.agent_name_text, staged.agent_phone_text, staged.agent_email_text, staged.payload) > 0;

-- name: blank_violations
-- Blanks the values that broke rules on these fields.
update rule_violations as violations
set found_value = null
from due_ids as due
where
    violations.property_id = due.landed_property_id
    and (
        violations.observed_at <= due.removed_at
        or violations.session_id in (select session_id from scrape_sessions where status = 'rolled_back')
    )
    and violations.field_name in ('agent_name', 'agent_phone', 'agent_email');

-- name: blank_replaced
-- Blanks what a rollback would put back.
update replaced_listings as replaced
set significant_baseline = replaced.significant_baseline - '{agent_name,agent_phone,agent_email}'::text []
from due_erasures as due
where replaced.property_id = due.property_id;

-- name: record_erasures
-- Remembers whose personal data were blanked.
insert into personal_data_erasures (property_id, spell_number, source)
select property_id, spell_number, source from due_erasures
on conflict (property_id, spell_number) do update set erased_at = excluded.erased_at, undone_at = null;

-- name: mark_checked
-- Remembers which sessions need no further search: what they hold of blanked listings was blanked.
update scrape_sessions as sessions set personal_data_checked_at = now()
from unchecked_sessions as unchecked
where sessions.session_id = unchecked.session_id;

-- name: has_published
-- Whether there is anything published.
select to_regclass('properties_live') is not null and to_regclass('properties_history') is not null;
