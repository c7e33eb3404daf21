-- Append-only: which session saw which listing, whatever came of the row.
create table listing_sightings (
    property_id uuid not null,
    session_id uuid not null,
    observed_at timestamptz not null,
    primary key (property_id, session_id) include (observed_at)
);

comment on table listing_sightings is
'The fact that a session saw a listing, also when its row was rejected. One row per listing and session.';
