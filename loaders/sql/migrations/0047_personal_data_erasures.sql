-- Which listings had the names, phones and e-mails of their agents blanked, in which spell on the market.
create table personal_data_erasures (
    property_id uuid not null,
    spell_number integer not null,
    source text not null,
    erased_at timestamptz not null default now(),
    primary key (property_id, spell_number)
);

comment on table personal_data_erasures is
'Listings whose personal data were blanked after they had left. One row per listing and spell.';
