-- One row per crawl or file import of one scope: its life, its counts and the gate's verdict.
create table scrape_sessions (
    session_id uuid primary key,
    source text not null references sources (source),
    scope text not null check (scope <> ''),
    session_name text,
    session_kind text not null check (session_kind in ('scrape', 'import')),
    target_url text,
    status text not null default 'running' check (
        status in (
            'running', 'interrupted', 'failed', 'scraped', 'published', 'complete', 'quarantined', 'rolled_back'
        )
    ),
    opened_at timestamptz not null default now(),
    observed_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    scraped_at timestamptz,
    published_at timestamptz,
    completed_at timestamptz,
    is_complete boolean not null default false,
    incomplete_reason text,
    pages_planned integer not null default 0,
    pages_done integer not null default 0,
    pages_failed integer not null default 0,
    pages_blocked integer not null default 0,
    pages_http integer not null default 0,
    pages_browser integer not null default 0,
    site_listing_count integer,
    rows_read bigint not null default 0,
    rows_landed bigint not null default 0,
    rows_rejected bigint not null default 0,
    duplicates_collapsed bigint not null default 0,
    may_publish boolean,
    may_remove boolean,
    verdict_reason text,
    verdict jsonb,
    error text
);

create index scrape_sessions_pending on scrape_sessions (source, observed_at, opened_at, session_id)
where status = 'scraped';

create index scrape_sessions_scope on scrape_sessions (source, scope, observed_at);

comment on table scrape_sessions is 'Crawls and imports of one scope each. One row per session.';
