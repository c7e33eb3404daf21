-- name: ensure_source
-- Creates a source with default settings unless it is known.
insert into sources (source) values (%s) on conflict do nothing;

-- name: open_session
-- Opens a session; its opening is the landing time of all its rows. What nobody dated is observed next in its source.
insert into scrape_sessions (
    session_id, source, scope, session_kind, observed_at, is_dated, session_name, target_url, opened_at, heartbeat_at
)
select
    %(session_id)s,
    %(source)s,
    %(scope)s,
    %(kind)s,
    coalesce(%(observed_at)s, next_observed_at(%(source)s)),
    %(observed_at)s::timestamptz is not null,
    %(session_name)s, %(target_url)s, clock_timestamp(), clock_timestamp()
returning session_id, source, scope, opened_at, observed_at;

-- name: retired_scope
-- When a scope was retired; no row where it was not.
select retired_at from retired_scopes where source = %(source)s and scope = %(scope)s;

-- name: record_progress
-- Refreshes the heartbeat and sets the counters that are given.
update scrape_sessions
set
    heartbeat_at = clock_timestamp(),
    pages_planned = coalesce(%(pages_planned)s, pages_planned),
    pages_done = coalesce(%(pages_done)s, pages_done),
    pages_failed = coalesce(%(pages_failed)s, pages_failed),
    pages_blocked = coalesce(%(pages_blocked)s, pages_blocked),
    pages_http = coalesce(%(pages_http)s, pages_http),
    pages_browser = coalesce(%(pages_browser)s, pages_browser),
    site_listing_count = coalesce(%(site_listing_count)s, site_listing_count),
    rows_read = coalesce(%(rows_read)s, rows_read),
    rows_landed = coalesce(%(rows_landed)s, rows_landed),
    rows_rejected = coalesce(%(rows_rejected)s, rows_rejected)
where session_id = %(session_id)s;

-- name: finish_session
-- Hands a running session over to the next sync, with the duplicates its rows hold.
update scrape_sessions
set
    status = 'scraped',
    scraped_at = clock_timestamp(),
    heartbeat_at = clock_timestamp(),
    is_complete = %(is_complete)s,
    incomplete_reason = %(incomplete_reason)s,
    duplicates_collapsed = (
        select coalesce(sum(listings.row_count - 1), 0)
        from (
            select count(*) as row_count
            from property_scrapes_staging as staged
            where staged.session_id = scrape_sessions.session_id and staged.landed_at = scrape_sessions.opened_at
            group by staged.property_id, staged.observation_kind
        ) as listings
    )
where session_id = %(session_id)s and status = 'running';

-- name: fail_session
-- Ends a session that must never be synced.
update scrape_sessions
set status = 'failed', error = %(error)s, heartbeat_at = clock_timestamp()
where session_id = %(session_id)s and status in ('running', 'interrupted');

-- name: interrupt_session
-- Marks a running session as stopped midway.
update scrape_sessions
set status = 'interrupted', error = %(error)s, heartbeat_at = clock_timestamp()
where session_id = %(session_id)s and status = 'running';

-- name: resume_session
-- Takes a stopped session up again.
update scrape_sessions
set status = 'running', error = null, heartbeat_at = clock_timestamp()
where session_id = %(session_id)s and status in ('running', 'interrupted')
returning session_id, source, scope, opened_at, observed_at;
