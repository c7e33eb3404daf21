-- name: lock_replays
-- Lets one replay at a time look for what is held back; ends with the transaction.
select pg_advisory_xact_lock(hashtext('property_manager replay'), hashtext(current_schema()));

-- name: quarantine_exists
-- Whether a sync has built the view of what is held back.
select to_regclass('property_quarantine') is not null;

-- name: held_back
-- Listings that are held back by the session whose rows were rejected last, without those that wait for a replay or
-- have no rows left; with the ids under which their rows landed, as a listing may have been renamed, and whether
-- their scope was retired, so that nothing may land in it.
with held as (
    select property_id, session_id, source, scope
    from property_quarantine
    where
        (%(source)s::text is null or source = %(source)s)
        and (%(session_id)s::uuid is null or session_id = %(session_id)s)
),

landed as (
    select *, property_id as landed_property_id from held
    union all
    select held.*, aliases.landed_property_id
    from held
    inner join listing_id_aliases as aliases on held.property_id = aliases.property_id
),

waiting as (
    select landed.property_id
    from landed
    inner join property_scrapes_staging as staged on landed.landed_property_id = staged.property_id
    inner join scrape_sessions as sessions
        on staged.session_id = sessions.session_id and staged.landed_at = sessions.opened_at
    where sessions.session_kind = 'replay' and sessions.status = 'scraped'
)

select
    landed.session_id, landed.source, landed.scope, sessions.observed_at, sessions.opened_at,
    exists (
        select 1 from retired_scopes as retired
        where retired.source = landed.source and retired.scope = landed.scope
    ) as is_retired,
    array(select jsonb_array_elements_text(coalesce(sessions.verdict -> 'frozen_fields', '[]'))) as frozen_fields,
    array_agg(distinct landed.property_id order by landed.property_id) as property_ids,
    array_agg(landed.landed_property_id order by landed.landed_property_id) as landed_ids
from landed
inner join scrape_sessions as sessions on landed.session_id = sessions.session_id
where
    not exists (select 1 from waiting where waiting.property_id = landed.property_id)
    and exists (
        select 1 from property_scrapes_staging as staged
        where
            staged.property_id = landed.landed_property_id
            and staged.session_id = landed.session_id
            and staged.landed_at = sessions.opened_at
    )
group by
    landed.session_id, landed.source, landed.scope, sessions.observed_at, sessions.opened_at, sessions.verdict
order by sessions.observed_at, landed.session_id;

-- name: copy_rows
-- Copies stored rows of some listings into a session of their own: untouched, but for the fields that the gate froze.
-- What their selectors found is no more trusted now than it was then.
insert into property_scrapes_staging
select copied.*
from property_scrapes_staging as staged
cross join
    lateral jsonb_populate_record(
        staged,
        (
            select
                coalesce(jsonb_object_agg(frozen.field_name || '_text', null), '{}')
                || jsonb_build_object(
                    'session_id', %(replay_id)s::uuid,
                    'landed_at', %(replay_opened_at)s::timestamptz,
                    'observed_fields',
                    array(
                        select observed.field_name
                        from unnest(staged.observed_fields) with ordinality as observed (field_name, field_number)
                        where observed.field_name <> all(%(frozen_fields)s::text[])
                        order by observed.field_number
                    )
                )
            from unnest(%(frozen_fields)s::text[]) as frozen (field_name)
        )
    ) as copied
where
    staged.session_id = %(session_id)s
    and staged.landed_at = %(opened_at)s
    and staged.property_id = any(%(landed_ids)s);

-- name: reopen_session
-- Hands a quarantined session to the next sync again; returns the verdict that it had.
update scrape_sessions as sessions
set
    status = 'scraped',
    published_at = null,
    may_publish = null,
    may_remove = null,
    verdict_reason = null,
    verdict = null
from (select session_id, verdict, verdict_reason from scrape_sessions where session_id = %(session_id)s) as before
where
    sessions.session_id = before.session_id
    and sessions.status = 'quarantined'
    and sessions.rows_landed > 0
returning before.verdict_reason;

-- name: audit
-- Leaves a trace of what was replayed.
insert into admin_audit_log (action, target, details) values ('replay-quarantine', %(target)s, %(details)s);

-- name: quarantined_sessions
-- How many sessions the gate holds back that have rows to judge.
select count(*) from scrape_sessions
where status = 'quarantined' and rows_landed > 0 and (%(source)s::text is null or source = %(source)s);
