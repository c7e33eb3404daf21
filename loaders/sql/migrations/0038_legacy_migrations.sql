-- Which state of pulled_properties each legacy session landed, so that the same state never lands twice.
create table legacy_migrations (
    session_id uuid primary key,
    mapping jsonb not null,
    content_hash text not null,
    rows_read bigint not null,
    landed_at timestamptz not null default now()
);

comment on table legacy_migrations is
'States of pulled_properties that were landed, with the column of each field. One row per session of source legacy.';
