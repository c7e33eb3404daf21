-- Of the created listings, those that continue one that left under another id.
alter table sync_metadata add column relisted bigint;
alter table sync_sessions add column relisted bigint;
