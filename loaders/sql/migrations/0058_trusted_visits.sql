-- Visits that say what is known of an advert: their session was not thrown away, and no rule held its listing back.
create view trusted_visits as
select visits.*
from advert_visits as visits
left join scrape_sessions as sessions on visits.session_id = sessions.session_id
cross join lateral (select md5(visits.source || '|' || visits.source_listing_id)::uuid as property_id) as landed
where
    coalesce(sessions.status in ('running', 'interrupted', 'scraped', 'published', 'complete'), true)
    and not exists (
        select 1
        from rule_violations as violations
        where
            violations.session_id = visits.session_id
            and violations.severity = 'error'
            and violations.property_id in (
                select landed.property_id
                union all
                select aliases.property_id from listing_id_aliases as aliases
                where aliases.landed_property_id = landed.property_id
            )
    );

comment on view trusted_visits is
'Visits of advert pages that may stand for another one. One row per source and URL.';
