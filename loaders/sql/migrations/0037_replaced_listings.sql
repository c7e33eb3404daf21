-- What a session replaced in live rows beyond what the history keeps, so that it can be undone.
create table replaced_listings (
    property_id uuid not null,
    session_id uuid not null,
    sync_version bigint not null,
    version integer not null,
    scopes text [] not null,
    quality_flags text [] not null,
    first_price numeric,
    original_price numeric,
    previous_price numeric,
    lowest_price numeric,
    price_changed_at timestamptz,
    held_price numeric,
    held_at timestamptz,
    earlier_days_on_market integer not null,
    significant_baseline jsonb not null,
    primary key (property_id, session_id)
);

create index replaced_listings_session on replaced_listings (session_id);

comment on table replaced_listings is
'Live rows as they were before a session changed them, but for what history keeps. One row per listing and session.';
