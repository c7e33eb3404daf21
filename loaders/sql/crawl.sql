-- name: lock_scope
-- Lets one process at a time decide which session of a scope it takes, until its transaction ends.
select pg_advisory_xact_lock(hashtextextended('crawl of ' || %(source)s || '|' || %(scope)s, 0));

-- name: unfinished_sessions
-- Crawls of this scope that did not come to their end, the latest first.
select session_id, heartbeat_at < clock_timestamp() - %(window)s::interval as is_stale
from scrape_sessions
where
    source = %(source)s
    and scope = %(scope)s
    and target_url = %(target_url)s
    and session_kind = 'scrape'
    and status in ('running', 'interrupted')
order by opened_at desc, session_id;

-- name: try_session_lock
-- Held by the connection of a living crawl; free means that the process is gone.
select pg_try_advisory_lock(crawl_lock_key(%(session_id)s));

-- name: release_leases
-- Gives back the pages that a process which is gone had taken.
update scrape_pages
set state = 'todo', attempts = greatest(attempts - 1, 0), lease_until = null, worker = null
where session_id = %(session_id)s and state = 'leased';

-- name: known_pages
-- Which of these pages the session knows already.
select url from scrape_pages where session_id = %(session_id)s and url = any(%(urls)s);

-- name: add_pages
-- Adds new pages; those the session knows stay as they are.
insert into scrape_pages (session_id, url, page_kind, host, priority, source_listing_id, state, error)
select
    %(session_id)s, added.url, added.page_kind, added.host, added.priority, added.source_listing_id, added.state,
    added.error
from unnest(
    %(urls)s::text [], %(kinds)s::text [], %(hosts)s::text [], %(priorities)s::integer [], %(ids)s::text [],
    %(states)s::text [], %(errors)s::text []
) as added (url, page_kind, host, priority, source_listing_id, state, error)
order by added.url
on conflict do nothing;

-- name: claim_page
-- Leases the next page that is due; with `only_retries` new pages wait until the failing ones are settled.
with

next_page as (

    select url
    from scrape_pages
    where
        session_id = %(session_id)s
        and (
            (state = 'todo' and not_before <= clock_timestamp())
            or (state = 'leased' and lease_until < clock_timestamp())
        )
        and (
            attempts > 0
            or not %(only_retries)s
            or not exists (
                select 1 from scrape_pages as failing
                where failing.session_id = %(session_id)s and failing.state in ('todo', 'leased') and failing.attempts > 0
            )
        )
    order by priority, not_before, url
    limit 1
    for update skip locked

)

update scrape_pages
set
    state = 'leased',
    attempts = attempts + 1,
    lease_until = clock_timestamp() + %(lease)s::interval,
    worker = %(worker)s
from next_page
where scrape_pages.session_id = %(session_id)s and scrape_pages.url = next_page.url
returning scrape_pages.url, scrape_pages.page_kind, scrape_pages.attempts, scrape_pages.source_listing_id;

-- name: waiting_time
-- Open pages, and the seconds until the next one is due; NULL when all of them are being worked on.
select
    count(*) as open_pages,
    extract(epoch from min(not_before) filter (where state = 'todo') - clock_timestamp())::double precision as seconds
from scrape_pages
where session_id = %(session_id)s and state in ('todo', 'leased');

-- name: settle_page
-- Records what became of a page, where the lease is still this worker's.
update scrape_pages
set
    state = %(state)s,
    page_class = %(page_class)s,
    fetched_via = %(fetched_via)s,
    http_status = %(http_status)s,
    source_listing_id = coalesce(%(source_listing_id)s, source_listing_id),
    error = %(error)s,
    not_before = clock_timestamp() + %(wait)s::interval,
    fetched_at = case when %(state)s = 'todo' then fetched_at else clock_timestamp() end,
    lease_until = null,
    worker = null
where session_id = %(session_id)s and url = %(url)s and state = 'leased' and worker = %(worker)s;

-- name: listing_at_url
-- The listing that this address showed last, in any session of the source.
select pages.source_listing_id
from scrape_pages as pages
inner join scrape_sessions as sessions on pages.session_id = sessions.session_id
where pages.url = %(url)s and pages.source_listing_id is not null and sessions.source = %(source)s
order by pages.fetched_at desc nulls last, pages.session_id
limit 1;

-- name: skip_open_pages
-- Gives up on every page that is still open, with the reason.
update scrape_pages
set state = 'skipped', error = %(error)s, lease_until = null, worker = null
where session_id = %(session_id)s and state in ('todo', 'leased');

-- name: page_counts
-- Counts of a session's pages, for its progress.
select
    count(*) as pages_planned,
    count(*) filter (where state = 'done') as pages_done,
    count(*) filter (where state = 'failed' and page_class <> 'blocked') as pages_failed,
    count(*) filter (where state = 'failed' and page_class = 'blocked') as pages_blocked,
    count(*) filter (where fetched_via = 'http' and state = 'done') as pages_http,
    count(*) filter (where fetched_via = 'browser' and state = 'done') as pages_browser,
    count(*) filter (where page_kind = 'list' and state <> 'skipped') as wanted_list_pages
from scrape_pages
where session_id = %(session_id)s;

-- name: unread_pages
-- Pages that were not read, by kind, state, class and reason, the most frequent reason first.
select
    page_kind,
    state,
    page_class,
    error,
    count(*) as pages
from scrape_pages
where session_id = %(session_id)s and state in ('failed', 'skipped')
group by page_kind, state, page_class, error
order by count(*) desc, error;

-- name: pages_by_kind
-- How many pages of a kind the session knows.
select page_kind, count(*) from scrape_pages where session_id = %(session_id)s group by page_kind;

-- name: session_counts
-- What an earlier run of the session landed, and the count the site announced to it.
select rows_landed, rows_rejected, site_listing_count
from scrape_sessions
where session_id = %(session_id)s;

-- name: listings_seen
-- Distinct listings that the session's rows hold.
select count(distinct property_id)
from property_scrapes_staging
where session_id = %(session_id)s and landed_at = %(landed_at)s;

-- name: request_rate
-- Requests per second that the source's settings allow; NULL is no limit of its own.
select requests_per_second from sources where source = %(source)s;
