-- name: sources
-- Health of each source: its last published session, what is pending and how large its live table is.
select
    sources.source,
    (
        select max(sessions.observed_at) from scrape_sessions as sessions
        where
            sessions.source = sources.source
            and sessions.status = 'complete'
            and sessions.session_kind <> 'retirement'
    ) as last_good_session_at,
    (
        select max(syncs.finished_at) from sync_metadata as syncs
        inner join sync_sessions as taken on syncs.sync_id = taken.sync_id
        inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
        where sessions.source = sources.source and syncs.status = 'complete'
    ) as last_sync_at,
    (
        select count(*) from scrape_sessions as sessions
        where sessions.source = sources.source and sessions.status = 'scraped'
    ) as pending_sessions
from sources
order by sources.source;

-- name: live_counts
-- Listings of the live table by source and state.
select source, listing_status, count(*) as listings from properties_live group by source, listing_status;

-- name: attention
-- Sessions that did not end well, newest first; of those that removed nothing only the latest of its scope.
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
    sessions.status in ('interrupted', 'failed', 'quarantined')
    or (sessions.status = 'running' and not is_crawl_alive(sessions.session_id))
    or (
        sessions.verdict_reason is not null
        and sessions.status in ('published', 'complete')
        and not exists (
            select 1 from scrape_sessions as later
            where
                later.source = sessions.source
                and later.scope = sessions.scope
                and later.status in ('published', 'complete')
                and (later.observed_at, later.session_id) > (sessions.observed_at, sessions.session_id)
        )
    )
order by sessions.opened_at desc
limit %(limit)s;

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

-- name: session_rejects
-- Rows of one session that could not be landed, by reason.
select reason_code, min(reason) as example, count(*) as rows
from landing_rejects
where session_id = %(session_id)s
group by reason_code
order by count(*) desc, reason_code;
