-- name: keep
-- Keeps documents of a crawl's pages, compressed; a later try at a page replaces an earlier one.
insert into page_bodies (session_id, url, source, document_url, body)
select %(session_id)s, kept.url, %(source)s, kept.document_url, kept.body
from unnest(%(urls)s::text [], %(document_urls)s::text [], %(bodies)b::bytea []) as kept (url, document_url, body)
order by kept.url
on conflict (session_id, url) do update
set document_url = excluded.document_url, body = excluded.body, fetched_at = excluded.fetched_at;

-- name: delete_expired
-- Deletes documents that are older than the source keeps them.
select pages from delete_expired_page_bodies(%(source)s);

-- name: bodies
-- Documents by crawl and page.
select bodies.session_id, bodies.url, bodies.document_url, bodies.body
from page_bodies as bodies
inner join unnest(%(session_ids)s::uuid [], %(urls)s::text []) as wanted (session_id, url)
    on bodies.session_id = wanted.session_id and bodies.url = wanted.url;
