-- What crawls were answered, kept for a while so that pages can be read again by other selectors.
create table page_bodies (
    session_id uuid not null,
    url text not null,
    source text not null,
    document_url text not null,
    fetched_at timestamptz not null default clock_timestamp(),
    body bytea not null,
    primary key (session_id, url)
);

-- Compressed once is enough.
alter table page_bodies alter column body set storage external;

create index page_bodies_url on page_bodies (source, url, fetched_at);

create index page_bodies_age on page_bodies (source, fetched_at);

comment on table page_bodies is
'Documents of crawled pages as they were read, or could not be. One row per crawl session and normalised URL.';
comment on column page_bodies.url is 'As in scrape_pages.';
comment on column page_bodies.document_url is 'Where the document came from, after redirects.';
comment on column page_bodies.body is 'The HTML that was read, rendered where the page needed that: UTF-8 under zlib.';
