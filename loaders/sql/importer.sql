-- name: observe_at_latest_row
-- Moves the session's time of observation to that of its latest row.
update scrape_sessions
set observed_at = staged.observed_at, is_dated = true
from (
    select max(observed_at) as observed_at
    from property_scrapes_staging
    where session_id = %(session_id)s and landed_at = %(landed_at)s
) as staged
where session_id = %(session_id)s and staged.observed_at is not null;

-- name: duplicates
-- How many rows of the session repeated a listing.
select duplicates_collapsed from scrape_sessions where session_id = %(session_id)s;

-- name: rejected
-- Rows that could not be landed, by session.
select session_id, count(*)
from landing_rejects
where session_id = any(%(session_ids)s)
group by session_id;
