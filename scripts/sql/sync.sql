-- name: try_run_lock
-- Takes the lock that lets one command sync at a time; it is held by the connection.
select pg_try_advisory_lock(20557, hashtext(current_schema()));

-- name: wait_for_run_lock
-- Waits for the lock that lets one command sync at a time.
select pg_advisory_lock(20557, hashtext(current_schema()));

-- name: request_sync
-- Tells the next dbt run what to take. The request counts while this connection holds its lock.
with locked as materialized (
    select pg_advisory_lock(sync_request_lock_key(%(request_id)s))
)
insert into sync_requests (request_id, source, allows_mass_removal)
select %(request_id)s, %(source)s, %(allows_mass_removal)s from locked;

-- name: end_request
-- Lets go of a request whose run has ended, claimed or not.
select pg_advisory_unlock(sync_request_lock_key(%(request_id)s));

-- name: judge_again
-- Lets a quarantined session wait for the next sync, which judges it again, forced or not; leaves an audit row.
with waiting as (
    select session_id, source, scope, status from scrape_sessions
    where session_id = %(session_id)s and status in ('scraped', 'quarantined')
    for update
),
judged_again as (
    update scrape_sessions set status = 'scraped', is_forced = %(is_forced)s
    where session_id in (select session_id from waiting)
)
insert into admin_audit_log (action, target, details)
select
    case when %(is_forced)s then 'force session' else 'judge session again' end,
    session_id::text,
    jsonb_build_object('source', source, 'scope', scope, 'status', status)
from waiting
where %(is_forced)s or status = 'quarantined';

-- name: has_relations
-- Whether all of these tables and views stand in this database.
select bool_and(to_regclass(relation) is not null) from unnest(%(relations)s::text[]) as wanted (relation);

-- name: owes_history
-- The sync that has published and still owes its history.
select sync_id from sync_metadata where status = 'published';

-- name: count_pending
-- Sessions that wait for a sync, and syncs that published but did not finish.
select
    (
        select count(*) from scrape_sessions
        where status = 'scraped' and (%(source)s::text is null or source = %(source)s)
    ) as sessions,
    (select count(*) from sync_metadata where status = 'published') as unfinished;

-- name: requested_sync
-- The sync that the run of a request opened or finished.
select syncs.sync_id, syncs.status, syncs.started_at,
    extract(epoch from coalesce(syncs.finished_at, clock_timestamp()) - syncs.started_at)::double precision as seconds,
    syncs.error
from sync_requests as requests
inner join sync_metadata as syncs on requests.claimed_by = syncs.invocation_id
where requests.request_id = %(request_id)s;

-- name: session_counts
-- What a sync did with each of its sessions.
select
    sessions.session_id, sessions.source, sessions.scope, sessions.observed_at, sessions.status as session_status,
    taken.observed, taken.created, coalesce(taken.relisted, 0) as relisted, taken.updated, taken.price_changed,
    taken.price_up, taken.price_down, taken.reactivated, taken.missing, taken.removed, taken.unchanged, taken.held, taken.rejected,
    taken.removal_suppressed_reason, taken.removals_suppressed,
    array(select jsonb_array_elements_text(sessions.verdict -> 'frozen_fields')) as frozen_fields,
    sessions.verdict ->> 'frozen_reason' as frozen_reason
from sync_sessions as taken
inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
where taken.sync_id = %(sync_id)s
order by sessions.source, sessions.observed_at;

-- name: session_by_prefix
-- Sessions whose id begins with the given digits.
select session_id, source, status from scrape_sessions
where session_id::text like %(prefix)s || '%%'
order by session_id
limit 2;

-- name: sources
-- The names of all sources.
select source from sources order by source;
