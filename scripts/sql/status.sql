-- name: sources
-- Health of each source: its last good session and sync, how far behind it is, what waits, and its open crawl pages.
select
    sources.source,
    sources.freshness_hours,
    good.observed_at as last_good_session_at,
    extract(epoch from now() - good.observed_at)::double precision as lag_seconds,
    -- A source that never had a good session has been without one since its first.
    coalesce(
        now() - coalesce(
            good.observed_at,
            (select min(first.opened_at) from scrape_sessions as first where first.source = sources.source)
        ) > make_interval(secs => sources.freshness_hours * 3600), false
    )
    and exists (
        select 1 from scrape_sessions as sessions
        where
            sessions.source = sources.source
            and not exists (
                select 1 from retired_scopes as retired
                where retired.source = sessions.source and retired.scope = sessions.scope
            )
    ) as is_late,
    (
        select max(syncs.finished_at) from sync_metadata as syncs
        inner join sync_sessions as taken on syncs.sync_id = taken.sync_id
        inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
        where sessions.source = sources.source and sessions.status = 'complete' and syncs.status = 'complete'
    ) as last_sync_at,
    waiting.sessions as pending_sessions,
    waiting.since as pending_since,
    (
        select count(*) from scrape_pages as pages
        inner join scrape_sessions as sessions on pages.session_id = sessions.session_id
        where
            sessions.source = sources.source
            and sessions.status in ('running', 'interrupted')
            and pages.state in ('todo', 'leased')
    ) as open_pages
from sources
cross join lateral (
    select max(sessions.observed_at) as observed_at from scrape_sessions as sessions
    where
        sessions.source = sources.source
        and sessions.status = 'complete'
        and sessions.session_kind <> 'retirement'
) as good
cross join lateral (
    select count(*) as sessions, min(sessions.scraped_at) as since from scrape_sessions as sessions
    where sessions.source = sources.source and sessions.status = 'scraped'
) as waiting
order by sources.source;

-- name: live_counts
-- Listings of the live table by source and state.
select source, listing_status, count(*) as listings from properties_live group by source, listing_status;

-- name: attention
-- Sessions that did not end well, or removed nothing, newest first. A later good session of the scope settles them.
select
    sessions.session_id, sessions.source, sessions.scope, sessions.status as session_status, sessions.observed_at,
    sessions.heartbeat_at, sessions.target_url,
    array(select jsonb_array_elements_text(sessions.verdict -> 'frozen_fields')) as frozen_fields,
    case
        when sessions.status = 'running' then 'the process that was scraping is gone'
        else coalesce(sessions.error, sessions.verdict_reason, sessions.incomplete_reason)
    end as reason
from scrape_sessions as sessions
where
    (
        sessions.status in ('interrupted', 'failed', 'quarantined')
        or (sessions.status = 'running' and not is_crawl_alive(sessions.session_id))
        or (sessions.status in ('published', 'complete') and sessions.verdict_reason is not null)
    )
    and not exists (
        select 1 from scrape_sessions as later
        where
            later.source = sessions.source
            and later.scope = sessions.scope
            and later.status in ('published', 'complete')
            and later.session_kind <> 'retirement'
            and (later.observed_at, later.session_id) > (sessions.observed_at, sessions.session_id)
    )
order by sessions.opened_at desc, sessions.session_id;

-- name: interrupted
-- Crawls that were broken off and that nobody works on, newest first.
select
    session_id, source, scope, status as session_status, observed_at, heartbeat_at, pages_done, pages_planned,
    '{}'::text [] as frozen_fields,
    coalesce(error, 'the process that was scraping is gone') as reason
from scrape_sessions
where
    session_kind = 'scrape'
    and (status = 'interrupted' or (status = 'running' and not is_crawl_alive(session_id)))
    and (%(source)s::text is null or source = %(source)s)
order by opened_at desc, session_id;

-- name: unfinished_sync
-- The sync that is open although nobody works on it, else the last one where that failed.
select sync_id, status, error
from sync_metadata
where
    (status in ('running', 'published') or (status = 'failed' and started_at = (select max(started_at) from sync_metadata)))
    and not exists (
        select 1 from pg_locks
        where
            locktype = 'advisory'
            and granted
            and database = (select oid from pg_database where datname = current_database())
            and classid = 20557
            and objid::bigint = hashtext(current_schema())::bigint & 4294967295
            and objsubid = 2
    );

-- name: dbt_at_work
-- The connections that dbt has open in this database.
select pid from pg_stat_activity where datname = current_database() and application_name = 'property-manager dbt';

-- name: storage
-- Bytes of the database and of its largest tables with their indexes; a partitioned table counts as one.
with relations as (
    select
        coalesce(pg_partition_root(classes.oid), classes.oid) as root,
        pg_total_relation_size(classes.oid) as bytes
    from pg_class as classes
    inner join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
    where classes.relkind in ('r', 'm') and namespaces.nspname like current_schema() || '%%'
),

tables as (
    select root::regclass::text as table_name, sum(bytes)::bigint as bytes
    from relations
    group by root
    order by bytes desc, table_name
    limit %(limit)s
)

select
    pg_database_size(current_database()) as database_bytes,
    coalesce((select jsonb_object_agg(table_name, bytes) from tables), '{}') as table_bytes;

-- name: queues
-- How full the queue of notifications is (share), and the last version and sequence that were published.
select
    pg_notification_queue_usage() as notification_usage,
    (select max(version) from sync_metadata) as version,
    (select max(last_sequence) from sync_metadata) as last_sequence;

-- name: syncs
-- The last syncs.
select
    sync_id, sync_kind, status, started_at, finished_at, version, observed, created, updated, reactivated, missing,
    removed, rejected, error
from sync_metadata
order by started_at desc
limit %(limit)s;

-- name: sessions
-- The last sessions, newest first.
select
    session_id, source, scope, session_name, session_kind, status, observed_at, is_complete, rows_landed,
    rows_rejected, pages_done, pages_failed, coalesce(error, verdict_reason, incomplete_reason) as reason
from scrape_sessions
order by opened_at desc, session_id
limit %(limit)s;

-- name: session
-- Everything kept about one session.
select * from scrape_sessions where session_id = %(session_id)s;

-- name: session_syncs
-- What syncs did with one session.
select
    taken.sync_id, syncs.status, syncs.started_at, taken.observed, taken.created, coalesce(taken.relisted, 0) as relisted,
    taken.updated, taken.price_changed,
    taken.price_up, taken.price_down, taken.reactivated, taken.missing, taken.removed, taken.unchanged, taken.held,
    taken.rejected, taken.removal_suppressed_reason, taken.removals_suppressed, syncs.error
from sync_sessions as taken
inner join sync_metadata as syncs on taken.sync_id = syncs.sync_id
where taken.session_id = %(session_id)s
order by syncs.started_at;

-- name: session_pages
-- Pages of one session by state, class and way of fetching.
select page_kind, state, page_class, fetched_via, count(*) as pages
from scrape_pages
where session_id = %(session_id)s
group by page_kind, state, page_class, fetched_via
order by page_kind, state, page_class, fetched_via;

-- name: page_errors
-- Pages of one session that failed at least once, with every try that did; those never read come first.
select
    pages.url,
    pages.page_kind,
    pages.state,
    pages.page_class,
    pages.http_status,
    pages.attempts,
    pages.error,
    failed.tries
from scrape_pages as pages
left join lateral (
    select
        jsonb_agg(
            jsonb_build_object(
                'attempt', errors.attempt,
                'happened_at', errors.happened_at,
                'page_class', errors.page_class,
                'http_status', errors.http_status,
                'error', errors.error,
                'wait_seconds', errors.wait_seconds,
                'worker', errors.worker
            )
            order by errors.happened_at
        ) as tries
    from scrape_page_errors as errors
    where errors.session_id = pages.session_id and errors.url = pages.url
) as failed on true
where pages.session_id = %(session_id)s and (failed.tries is not null or pages.error is not null)
order by (pages.state = 'done'), pages.page_kind desc, pages.url;

-- name: session_rejects
-- Rows of one session that could not be landed, by reason.
select reason_code, min(reason) as example, count(*) as rows
from landing_rejects
where session_id = %(session_id)s
group by reason_code
order by count(*) desc, reason_code;
