-- name: reject
-- Keeps a row that cannot be landed, with its reason.
insert into landing_rejects (session_id, row_no, source, reason_code, reason, raw_text)
values (%(session_id)s, %(row_no)s, %(source)s, %(reason_code)s, %(reason)s, %(raw_text)s);

-- name: last_row_no
-- The highest row number that the session has used; 0 for none.
select greatest(
    (
        select coalesce(max(row_no), 0)
        from property_scrapes_staging
        where session_id = %(session_id)s and landed_at = %(landed_at)s
    ),
    (select coalesce(max(row_no), 0) from landing_rejects where session_id = %(session_id)s)
);

-- name: place_of_source
-- Where a source's portal is, for reading its dates.
select country, time_zone
from sources
where source = %s;
