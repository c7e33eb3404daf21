-- The gate of a host, shared by every worker of every crawl: when the next request may start, and how the host fares.
create table crawl_hosts (
    host text primary key,
    delay double precision not null default 0 check (delay >= 0),
    next_at timestamptz not null default now(),
    paused_until timestamptz not null default now(),
    failures integer not null default 0,
    blocks integer not null default 0
);

comment on table crawl_hosts is 'Turns, pauses and trouble of the hosts that crawls visit. One row per host and port.';
comment on column crawl_hosts.delay is 'The Crawl-delay of its robots.txt in seconds; 0 for none.';
comment on column crawl_hosts.next_at is 'No request starts earlier than this.';
comment on column crawl_hosts.paused_until is 'Asked for by Retry-After, or set by the circuit breaker.';
comment on column crawl_hosts.failures is 'Tries that failed in a row.';
comment on column crawl_hosts.blocks is 'Pages that were blocked in a row.';
