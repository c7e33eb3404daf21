-- Every try of a page that did not succeed, with what is needed to see why.
create table scrape_page_errors (
    session_id uuid not null,
    url text not null,
    attempt integer not null,
    happened_at timestamptz not null default clock_timestamp(),
    page_class text,
    http_status integer,
    error text not null,
    wait_seconds double precision,
    worker text not null,
    primary key (session_id, url, happened_at)
);

comment on table scrape_page_errors is 'Tries of a page that did not succeed. One row per session, page and failed try.';
comment on column scrape_page_errors.wait_seconds is 'Seconds until the next try; NULL when there is none.';
