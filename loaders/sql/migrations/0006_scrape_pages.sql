-- The crawl's frontier and page log: which pages a session knows, and what became of each.
create table scrape_pages (
    session_id uuid not null,
    url text not null,
    page_kind text not null check (page_kind in ('list', 'detail')),
    host text not null,
    state text not null default 'todo' check (state in ('todo', 'leased', 'done', 'failed', 'skipped')),
    page_class text check (page_class in ('ok', 'empty', 'gone', 'blocked', 'error')),
    priority integer not null default 0,
    attempts integer not null default 0,
    not_before timestamptz not null default now(),
    lease_until timestamptz,
    worker text,
    fetched_via text check (fetched_via in ('http', 'browser')),
    http_status integer,
    source_listing_id text,
    discovered_at timestamptz not null default now(),
    fetched_at timestamptz,
    error text,
    primary key (session_id, url)
);

create index scrape_pages_open on scrape_pages (session_id, priority, not_before) where state in ('todo', 'leased');

comment on table scrape_pages is 'Pages a crawl knows and what became of them. One row per session and normalised URL.';
