-- The last reading of each advert page, asked before it is fetched again.
create table advert_visits (
    source text not null,
    url text not null,
    source_listing_id text not null,
    session_id uuid not null,
    observed_at timestamptz not null,
    reader text not null,
    card_hash text,
    etag text,
    last_modified text,
    primary key (source, url)
);

comment on table advert_visits is 'When advert pages were last read, and what their card said. One row per source and URL.';
comment on column advert_visits.reader is 'The selectors that read it; others make the reading void.';
comment on column advert_visits.card_hash is 'Of the card that led to the page; NULL where the result page shows none.';
comment on column advert_visits.etag is 'To ask whether the page changed; NULL for pages that scripts fill.';
