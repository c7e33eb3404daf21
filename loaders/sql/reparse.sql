-- name: crawls
-- Crawls that came to their end: the named one, or the latest of every scope of a source.
select distinct on (sessions.scope)
    sessions.session_id, sessions.source, sessions.scope, sessions.target_url, sessions.observed_at
from scrape_sessions as sessions
where
    sessions.source = %(source)s
    and sessions.session_kind = 'scrape'
    and sessions.status in ('scraped', 'published', 'complete', 'quarantined', 'failed')
    and (%(session_id)s::uuid is null or sessions.session_id = %(session_id)s)
order by sessions.scope, sessions.observed_at desc, sessions.opened_at desc, sessions.session_id;

-- name: lock
-- Lets one process at a time read a crawl's pages again, until its transaction ends.
select pg_advisory_xact_lock(hashtextextended('reparse of ' || %(session_id)s::text, 0));

-- name: earlier_reparse
-- The session that these selectors made of a crawl's pages before.
select session_id
from scrape_sessions
where
    reparsed_session_id = %(session_id)s
    and reader = %(reader)s
    and status in ('scraped', 'published', 'complete', 'quarantined')
order by opened_at desc, session_id
limit 1;

-- name: pages
-- Pages of a crawl, result pages first, with the crawl that keeps their document: where nothing was new an earlier one.
select
    pages.url,
    pages.page_kind as kind,
    pages.source_listing_id,
    stored.session_id as stored_in,
    stored.observed_at as stored_as_of
from scrape_pages as pages
inner join scrape_sessions as sessions on pages.session_id = sessions.session_id
left join
    lateral (
        select bodies.session_id, coalesce(keeping.observed_at, bodies.fetched_at) as observed_at
        from page_bodies as bodies
        left join scrape_sessions as keeping on bodies.session_id = keeping.session_id
        where
            bodies.source = sessions.source
            and bodies.url = pages.url
            and (
                bodies.session_id = pages.session_id
                or (
                    pages.page_class = 'unchanged'
                    and bodies.fetched_at <= coalesce(sessions.scraped_at, sessions.heartbeat_at)
                )
            )
        order by bodies.session_id = pages.session_id desc, bodies.fetched_at desc, bodies.session_id
        limit 1
    ) as stored on true
where
    pages.session_id = %(session_id)s
    and pages.state in ('done', 'failed')
    and pages.page_class is distinct from 'gone'
order by pages.page_kind desc, pages.url;

-- name: landed
-- What crawls landed of listings, as text by field name.
select
    staged.session_id,
    staged.source_listing_id,
    staged.observation_kind,
    staged.attributes,
    jsonb_strip_nulls(to_jsonb(staged)) as texts
from scrape_sessions as sessions
inner join property_scrapes_staging as staged
    on sessions.session_id = staged.session_id and sessions.opened_at = staged.landed_at
where
    sessions.session_id = any(%(session_ids)s)
    and staged.property_id = any(%(property_ids)s::uuid []);

-- name: describe
-- Says of a session whose pages it holds, and which selectors read them.
update scrape_sessions
set reparsed_session_id = %(reparsed_session_id)s, reader = %(reader)s
where session_id = %(session_id)s;

-- name: audit
-- Leaves a trace of what was read again.
insert into admin_audit_log (action, target, details) values ('reparse', %(target)s, %(details)s);
