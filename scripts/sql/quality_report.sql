-- name: read_marts
-- Let unqualified names find the marts, whose schema follows from the configured one.
select set_config('search_path', current_setting('search_path') || ', ' || quote_ident(%(marts)s), false);

-- name: marts_exist
-- Whether any sync has built the marts.
select to_regclass('session_quality') is not null and to_regclass('session_recommendations') is not null;

-- name: latest_session
-- The session that was judged last, of one source or of all.
select sessions.session_id
from scrape_sessions as sessions
where
    sessions.verdict is not null
    and sessions.published_at is not null
    and (%(source)s::text is null or sessions.source = %(source)s)
order by sessions.published_at desc, sessions.observed_at desc, sessions.session_id desc
limit 1;

-- name: session
-- One judged session with its scores and what the sync did with it; the last sync where there were several.
select * from session_quality
where session_id = %(session_id)s
order by published_at desc, sync_id
limit 1;

-- name: fields
-- How often each field was filled, the weightiest first.
select
    field_name, weight, fill_rate, usual_fill_rate, usual_session_count, listing_count, unreadable_count, is_frozen
from session_field_quality
where session_id = %(session_id)s
order by weight desc, field_name;

-- name: recommendations
-- What to look at, the most urgent first.
select recommendation_no, urgency, topic, field_name, rule_name, message, found_value, usual_value
from session_recommendations
where session_id = %(session_id)s
order by recommendation_no;

-- name: trend
-- The last judged sessions of the scope up to this one, oldest first.
select *
from (
    select distinct on (observed_at, session_id)
        session_id, observed_at, session_status, may_remove, observed_count, overall_score, completeness_score,
        validation_score
    from session_quality
    where
        source = %(source)s
        and scope = %(scope)s
        and (observed_at, session_id) <= (%(observed_at)s, %(session_id)s)
    order by observed_at desc, session_id desc
    limit %(limit)s
) as latest
order by observed_at, session_id;
