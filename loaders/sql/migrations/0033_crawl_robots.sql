-- What robots.txt said, fetched once for all workers and kept until it is due again.
create table crawl_robots (
    origin text primary key,
    body text,
    fetched_at timestamptz,
    due_at timestamptz not null default now(),
    lease_until timestamptz not null
);

comment on table crawl_robots is 'The robots.txt of origins that crawls visit. One row per scheme, host and port.';
comment on column crawl_robots.body is 'Its rules; empty where there are none, NULL where it was never readable.';
comment on column crawl_robots.due_at is 'When it is to be fetched again.';
comment on column crawl_robots.lease_until is 'Until then one worker is fetching it.';
