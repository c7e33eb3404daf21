-- name: full_speed
-- Lets crawls of a source ask as often as they can.
insert into sources (source, requests_per_second, requests_in_flight) values (%(source)s, null, %(in_flight)s);

-- name: running_session
-- The crawl that was broken off.
select session_id::text from scrape_sessions where status in ('running', 'interrupted');

-- name: leased_paths
-- Pages in flight: asked for, and not yet settled.
select regexp_replace(url, '^https?://[^/]+', '') from scrape_pages where state = 'leased';

-- name: latest_session
-- Whether the last crawl saw all, and how many listings it saw.
select sessions.is_complete, count(distinct landed.source_listing_id)
from scrape_sessions as sessions
left join property_scrapes_staging as landed on sessions.session_id = landed.session_id
group by sessions.session_id
order by sessions.opened_at desc
limit 1;

-- name: adverts
-- What the adverts said.
select source_listing_id, title_text, price_text, description_text
from property_scrapes_staging
where observation_kind = 'detail'
order by source_listing_id collate "C";
