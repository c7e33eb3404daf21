-- The currency of a held price that a session replaced; NULL in rows that are older than this column.
alter table replaced_listings add column held_currency text;
