-- New ids of listings that were published under old ones, for portals that change their id scheme.
create table listing_id_aliases (
    landed_property_id uuid primary key,
    property_id uuid not null,
    source text not null references sources (source),
    source_listing_id text not null,
    published_listing_id text not null,
    aliased_at timestamptz not null default now()
);

comment on table listing_id_aliases is
'Ids a portal gave to listings that are published under an older id. One row per new id of a source.';
