-- name: add_hosts
-- Makes sure that the hosts of new pages have a gate.
insert into crawl_hosts (host) select distinct unnest(%(hosts)s::text []) order by 1 on conflict do nothing;

-- name: add_pages
-- Adds new pages, those that need no visit as done; those the session knows stay as they are.
insert into scrape_pages (
    session_id, url, page_kind, host, priority, source_listing_id, state, page_class, card_hash, error
)
select
    %(session_id)s, added.url, added.page_kind, added.host, added.priority, added.source_listing_id, added.state,
    added.page_class, added.card_hash, added.error
from unnest(
    %(urls)s::text [], %(kinds)s::text [], %(hosts)s::text [], %(priorities)s::integer [], %(ids)s::text [],
    %(states)s::text [], %(classes)s::text [], %(card_hashes)s::text [], %(errors)s::text []
) as added (url, page_kind, host, priority, source_listing_id, state, page_class, card_hash, error)
order by added.url
on conflict do nothing
returning url, state;

-- name: known_pages
-- Which of these pages the session knows already.
select url from scrape_pages where session_id = %(session_id)s and url = any(%(urls)s);

-- name: fresh_visits
-- Adverts that were read less than their time to live ago, when their card said what it says now.
select visits.url, visits.source_listing_id
from unnest(%(urls)s::text [], %(card_hashes)s::text []) as cards (url, card_hash)
inner join trusted_visits as visits on cards.url = visits.url and cards.card_hash = visits.card_hash
where
    visits.source = %(source)s
    and visits.reader = %(reader)s
    and visits.observed_at <= %(observed_at)s
    and (
        %(ttl_hours)s::double precision is null
        or visits.observed_at > %(observed_at)s - make_interval(secs => 3600 * %(ttl_hours)s::double precision)
    );

-- name: open_host
-- Holds the gate of a host that may be asked now, until the transaction ends; none with as many requests under way as
-- it may have, one while it fails.
select hosts.host, hosts.failures, hosts.delay
from crawl_hosts as hosts
where
    hosts.next_at <= clock_timestamp()
    and hosts.paused_until <= clock_timestamp()
    and exists (
        select 1
        from scrape_pages as pages
        where
            pages.session_id = %(session_id)s
            and pages.host = hosts.host
            and (
                (pages.state = 'todo' and pages.not_before <= clock_timestamp())
                or (pages.state = 'leased' and pages.lease_until < clock_timestamp())
            )
    )
    and (
        (%(in_flight)s::integer is null and hosts.failures < %(failures_in_a_row)s)
        or (
            select count(*)
            from scrape_pages as busy
            where busy.host = hosts.host and busy.state = 'leased' and busy.lease_until >= clock_timestamp()
        ) < case when hosts.failures >= %(failures_in_a_row)s then 1 else %(in_flight)s::integer end
    )
order by hosts.next_at, hosts.host
limit 1
for update;

-- name: claim_pages
-- Leases the next pages of a host as its limit allows, and sets its next turn. While the host fails, new pages wait.
-- A reading of a session that was thrown away, or one that a rule held back, is none: what it said never became known.
with

busy as (

    select count(*) as pages from scrape_pages
    where host = %(host)s and state = 'leased' and lease_until >= clock_timestamp()

),

next_pages as (

    select url
    from scrape_pages
    where
        session_id = %(session_id)s
        and host = %(host)s
        and (
            (state = 'todo' and not_before <= clock_timestamp())
            or (state = 'leased' and lease_until < clock_timestamp())
        )
        and (
            attempts > 0
            or not %(is_failing)s
            or not exists (
                select 1 from scrape_pages as failing
                where
                    failing.session_id = %(session_id)s
                    and failing.host = %(host)s
                    and failing.state in ('todo', 'leased')
                    and failing.attempts > 0
            )
        )
    order by case when %(is_failing)s then -attempts end, priority, not_before, url
    limit (select greatest(0, least(%(wanted)s, coalesce(%(in_flight)s - busy.pages, %(wanted)s))) from busy)
    for update skip locked

),

turn as (

    update crawl_hosts
    set next_at = clock_timestamp() + make_interval(secs => greatest(delay, %(delay)s))
    where host = %(host)s and exists (select 1 from next_pages)

),

claimed as (

    update scrape_pages
    set
        state = 'leased',
        attempts = attempts + 1,
        lease_until = clock_timestamp() + %(lease)s::interval,
        worker = %(worker)s
    from next_pages
    where scrape_pages.session_id = %(session_id)s and scrape_pages.url = next_pages.url
    returning
        scrape_pages.url, scrape_pages.page_kind, scrape_pages.attempts, scrape_pages.source_listing_id,
        scrape_pages.host, scrape_pages.card_hash

),

readings as (

    select visits.url, visits.source_listing_id, visits.etag, visits.last_modified
    from claimed
    inner join trusted_visits as visits on claimed.url = visits.url
    where claimed.page_kind = 'detail' and visits.source = %(source)s and visits.reader = %(reader)s

),

-- Of a page that was answered, nothing else is tried again.
failed_renderings as (

    select claimed.url, count(*) as renderings
    from claimed
    inner join scrape_page_errors as failed
        on failed.session_id = %(session_id)s and claimed.url = failed.url
    where claimed.attempts > 1 and failed.wait_seconds is not null and failed.http_status between 200 and 299
    group by claimed.url

)

select
    claimed.url,
    claimed.page_kind as kind,
    claimed.attempts as attempt,
    claimed.source_listing_id,
    claimed.host,
    claimed.card_hash,
    coalesce(robots.body is not null and robots.due_at > clock_timestamp(), false) as is_robots_known,
    readings.source_listing_id as read_listing_id,
    readings.etag,
    readings.last_modified,
    coalesce(failed_renderings.renderings, 0) as failed_renderings
from claimed
left join crawl_robots as robots on robots.origin = substring(claimed.url from '^[a-z]+://[^/?#]+')
left join readings on claimed.url = readings.url
left join failed_renderings on claimed.url = failed_renderings.url;

-- name: renew_leases
-- Keeps the pages that this worker is busy with.
update scrape_pages
set lease_until = clock_timestamp() + %(lease)s::interval
where session_id = %(session_id)s and state = 'leased' and worker = %(worker)s and lease_until >= clock_timestamp();

-- name: waiting_time
-- Seconds until another page may be due, NULL when all open ones are being worked on; no row when none is open.
select
    extract(
        epoch from min(greatest(pages.not_before, hosts.next_at, hosts.paused_until)) filter (where pages.state = 'todo')
        - clock_timestamp()
    )::double precision as seconds
from scrape_pages as pages
inner join crawl_hosts as hosts on pages.host = hosts.host
where pages.session_id = %(session_id)s and pages.state in ('todo', 'leased')
having count(*) > 0;

-- name: hold_session
-- Lets one worker at a time write to a session, until its transaction ends.
select status, stop_reason, max_list_pages, site_listing_count, rows_read
from scrape_sessions
where session_id = %(session_id)s
for update;

-- name: settle_pages
-- Records what became of pages, where the lease of that very attempt is still this worker's.
update scrape_pages
set
    state = settled.state,
    page_class = settled.page_class,
    fetched_via = settled.via,
    http_status = settled.http_status,
    source_listing_id = coalesce(settled.source_listing_id, scrape_pages.source_listing_id),
    error = settled.error,
    not_before = clock_timestamp() + make_interval(secs => settled.wait),
    fetched_at = case when settled.state = 'todo' then scrape_pages.fetched_at else clock_timestamp() end,
    lease_until = null,
    worker = null
from unnest(
    %(urls)s::text [], %(attempts)s::integer [], %(states)s::text [], %(classes)s::text [], %(vias)s::text [],
    %(statuses)s::integer [], %(ids)s::text [], %(errors)s::text [], %(waits)s::double precision []
) as settled (url, attempt, state, page_class, via, http_status, source_listing_id, error, wait)
where
    scrape_pages.session_id = %(session_id)s
    and scrape_pages.url = settled.url
    and scrape_pages.state = 'leased'
    and scrape_pages.worker = %(worker)s
    and scrape_pages.attempts = settled.attempt
returning scrape_pages.url;

-- name: log_errors
-- Keeps tries that did not succeed.
insert into scrape_page_errors (session_id, url, attempt, page_class, http_status, error, wait_seconds, worker)
select
    %(session_id)s, failed.url, failed.attempt, failed.page_class, failed.http_status, failed.error, failed.wait,
    %(worker)s
from unnest(
    %(urls)s::text [], %(attempts)s::integer [], %(classes)s::text [], %(statuses)s::integer [], %(errors)s::text [],
    %(waits)s::double precision []
) as failed (url, attempt, page_class, http_status, error, wait);

-- name: keep_visits
-- Remembers what was read of adverts; an older reading does not replace a newer one. A page that was as it was stands
-- on the session that read it.
insert into advert_visits as visits (
    source, url, source_listing_id, session_id, observed_at, reader, card_hash, etag, last_modified
)
select
    %(source)s, visit.url, visit.source_listing_id,
    coalesce(case when visit.page_class = 'unchanged' then earlier.session_id end, %(session_id)s),
    %(observed_at)s, %(reader)s, visit.card_hash, visit.etag, visit.last_modified
from unnest(
    %(urls)s::text [], %(ids)s::text [], %(classes)s::text [], %(card_hashes)s::text [], %(etags)s::text [],
    %(last_modifieds)s::text []
) as visit (url, source_listing_id, page_class, card_hash, etag, last_modified)
left join advert_visits as earlier on visit.url = earlier.url and earlier.source = %(source)s
order by visit.url
on conflict (source, url) do update
set
    source_listing_id = excluded.source_listing_id,
    session_id = excluded.session_id,
    observed_at = excluded.observed_at,
    reader = excluded.reader,
    card_hash = excluded.card_hash,
    etag = excluded.etag,
    last_modified = excluded.last_modified
where visits.observed_at <= excluded.observed_at;

-- name: forget_visits
-- Forgets what was read of adverts earlier: a page that says that its listing left is fetched whole each time.
delete from advert_visits
where source = %(source)s and url = any(%(urls)s) and observed_at <= %(observed_at)s;

-- name: listing_at_url
-- The listing that this address showed last, in any session of the source.
select pages.source_listing_id
from scrape_pages as pages
inner join scrape_sessions as sessions on pages.session_id = sessions.session_id
where pages.url = %(url)s and pages.source_listing_id is not null and sessions.source = %(source)s
order by pages.fetched_at desc nulls last, pages.session_id
limit 1;

-- name: wanted_list_pages
-- Result pages that the crawl reads or has read.
select count(*) from scrape_pages where session_id = %(session_id)s and page_kind = 'list' and state <> 'skipped';

-- name: give_up
-- Ends a crawl early, with the reason; pages that are being fetched still settle.
with

stopped as (

    update scrape_sessions set stop_reason = %(reason)s where session_id = %(session_id)s

)

update scrape_pages
set state = 'skipped', error = %(reason)s
where session_id = %(session_id)s and state = 'todo';

-- name: add_to_counts
-- Adds to the session's counters and refreshes its heartbeat.
update scrape_sessions
set
    heartbeat_at = clock_timestamp(),
    pages_planned = pages_planned + %(planned)s,
    pages_done = pages_done + %(done)s,
    pages_unchanged = pages_unchanged + %(unchanged)s,
    pages_failed = pages_failed + %(failed)s,
    pages_blocked = pages_blocked + %(blocked)s,
    pages_http = pages_http + %(http)s,
    pages_browser = pages_browser + %(browser)s,
    rows_read = rows_read + %(landed)s + %(rejected)s,
    rows_landed = rows_landed + %(landed)s,
    rows_rejected = rows_rejected + %(rejected)s,
    site_listing_count = coalesce(site_listing_count, %(listing_count)s)
where session_id = %(session_id)s;

-- name: progress
-- The session's counters and what ended it.
select
    status, stop_reason, is_complete, incomplete_reason, error, pages_planned, pages_done, pages_unchanged, pages_failed,
    pages_blocked, pages_http, pages_browser, rows_landed, rows_rejected, site_listing_count
from scrape_sessions
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

-- name: listings_seen
-- Distinct listings that the session's rows hold.
select count(distinct property_id)
from property_scrapes_staging
where session_id = %(session_id)s and landed_at = %(landed_at)s;
