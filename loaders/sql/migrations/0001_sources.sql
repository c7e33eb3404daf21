-- One row per portal or feed, with the settings that steer reading, gating and politeness. NULL switches a limit off.
create table sources (
    source text primary key check (source ~ '^[a-z][a-z0-9_]{0,62}$'),
    currency text check (currency ~ '^[A-Z]{3}$'),
    number_format text check (number_format in ('1,234.56', '1.234,56')),
    area_unit text not null default 'm2' check (area_unit in ('m2', 'sqft')),
    country text check (country ~ '^[A-Z]{2}$'),
    time_zone text not null default 'UTC',
    removal_after_sessions integer default 2 check (removal_after_sessions >= 1),
    max_removal_share double precision default 0.2 check (max_removal_share between 0 and 1),
    suspicious_price_change double precision default 0.6 check (suspicious_price_change > 0),
    min_coverage double precision default 0.95 check (min_coverage between 0 and 1),
    min_volume_ratio double precision default 0.5 check (min_volume_ratio between 0 and 1),
    completeness_rate double precision default 0.85 check (completeness_rate between 0 and 1),
    duplicate_rate double precision default 0.02 check (duplicate_rate between 0 and 1),
    error_rate double precision default 0.05 check (error_rate between 0 and 1),
    freshness_hours double precision default 24 check (freshness_hours > 0),
    retention_days integer check (retention_days >= 1),
    detail_ttl_hours double precision default 24 check (detail_ttl_hours >= 0),
    requests_per_second double precision default 1 check (requests_per_second > 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table sources is 'Portals and feeds with their settings; NULL switches a limit off. One row per source.';
