-- The run log of syncs and other publications: which version of the live table each one built on and produced.
create table sync_metadata (
    sync_id uuid primary key,
    invocation_id uuid not null,
    sync_kind text not null default 'sync' check (sync_kind in ('sync', 'rollback', 'replay', 'migration')),
    status text not null default 'running' check (status in ('running', 'published', 'complete', 'failed')),
    started_at timestamptz not null default now(),
    published_at timestamptz,
    finished_at timestamptz,
    base_version bigint not null,
    version bigint unique,
    candidate_changes bigint,
    candidate_listings bigint,
    candidate_sessions uuid [],
    last_sequence bigint,
    observed bigint,
    created bigint,
    updated bigint,
    price_changed bigint,
    price_up bigint,
    price_down bigint,
    reactivated bigint,
    missing bigint,
    removed bigint,
    unchanged bigint,
    held bigint,
    rejected bigint,
    error text
);

create unique index sync_metadata_one_open on sync_metadata ((true)) where status in ('running', 'published');

comment on table sync_metadata is
'Runs that published or tried to, with their counts of distinct listings. One row per sync.';
