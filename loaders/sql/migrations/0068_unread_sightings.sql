-- Whether a session read what it saw: a page that was as it was, or a card that says nothing, shows presence alone.
alter table listing_sightings add column is_read boolean not null default true;
