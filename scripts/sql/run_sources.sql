-- name: try_round_lock
-- Takes the lock that lets one round over all sources run at a time; it is held by the connection.
select pg_try_advisory_lock(20561, hashtext(current_schema()));

-- name: last_begun
-- When a crawl from a start last began, for those that ever did.
select source, target_url, max(opened_at) as opened_at
from scrape_sessions
where session_kind = 'scrape'
group by source, target_url;
