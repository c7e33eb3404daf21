-- Which sessions a sync takes, and what came of each: counts of distinct listings, disjoint by precedence.
create table sync_sessions (
    sync_id uuid not null references sync_metadata (sync_id),
    session_id uuid not null references scrape_sessions (session_id),
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
    removal_suppressed_reason text,
    removals_suppressed bigint,
    primary key (sync_id, session_id)
);

comment on table sync_sessions is 'Sessions taken by a sync, with their counts. One row per sync and session.';
