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

-- name: take_alone
-- Locks a crawl that nobody works on: every living worker holds the same lock shared.
select pg_try_advisory_lock(crawl_lock_key(%(session_id)s));

-- name: work_on
-- Held by the connection of a worker until it leaves or dies.
select pg_advisory_lock_shared(crawl_lock_key(%(session_id)s));

-- name: let_others_in
-- Gives up working alone.
select pg_advisory_unlock(crawl_lock_key(%(session_id)s));

-- name: leave
-- Gives up working on a crawl.
select pg_advisory_unlock_shared(crawl_lock_key(%(session_id)s));

-- name: release_leases
-- Gives back the pages that workers which are gone had taken; `worker` names one, NULL means all.
update scrape_pages
set state = 'todo', attempts = greatest(attempts - 1, 0), lease_until = null, worker = null
where
    session_id = %(session_id)s
    and state = 'leased'
    and (%(worker)s::text is null or worker = %(worker)s);

-- name: interrupt_abandoned
-- Marks a running session that its last worker left as stopped midway.
update scrape_sessions
set status = 'interrupted', error = %(reason)s, heartbeat_at = clock_timestamp()
where session_id = %(session_id)s and status = 'running' and not is_crawl_alive(session_id);

-- name: limit_list_pages
-- Sets how many result pages a crawl may read.
update scrape_sessions set max_list_pages = %(max_list_pages)s where session_id = %(session_id)s;

-- name: set_reader
-- Says which selectors read a crawl's pages.
update scrape_sessions set reader = %(reader)s where session_id = %(session_id)s;

-- name: open_pages
-- How many pages of a session wait, are being fetched, and are settled.
select
    count(*) filter (where state = 'todo') as waiting,
    count(*) filter (where state = 'leased') as leased,
    count(*) filter (where state not in ('todo', 'leased')) as settled
from scrape_pages
where session_id = %(session_id)s;

-- name: next_pages
-- The pages of a session that are fetched next, in their order.
select url
from scrape_pages
where session_id = %(session_id)s and state in ('todo', 'leased')
order by priority, not_before, url
limit %(limit)s;

-- name: fresh_adverts
-- Adverts that need no visit while their card says what it said.
select count(*)
from trusted_visits
where
    source = %(source)s
    and reader = %(reader)s
    and observed_at <= %(observed_at)s
    and (
        %(ttl_hours)s::double precision is null
        or observed_at > %(observed_at)s - make_interval(secs => 3600 * %(ttl_hours)s::double precision)
    );

-- name: skip_open_pages
-- Gives up on every page that waits to be fetched, with the reason.
update scrape_pages
set state = 'skipped', error = %(error)s, lease_until = null, worker = null
where session_id = %(session_id)s and state in ('todo', 'leased');

-- name: target
-- What a worker needs to know of a crawl to join it.
select session_id, source, scope, target_url, status, session_kind, reader
from scrape_sessions
where session_id = %(session_id)s;

-- name: running_crawls
-- Crawls that a worker may join, the oldest first.
select session_id
from scrape_sessions
where
    session_kind = 'scrape'
    and status = 'running'
    and exists (
        select 1 from scrape_pages as pages
        where pages.session_id = scrape_sessions.session_id and pages.state in ('todo', 'leased')
    )
order by opened_at, session_id;

-- name: source_settings
-- How a source wants to be crawled; NULL switches a limit off.
select requests_per_second, requests_in_flight, detail_ttl_hours, page_retention_days
from sources where source = %(source)s;
