-- When the raw rows of a session went by age; those that were held back then stayed.
alter table scrape_sessions add column raw_rows_removed_at timestamptz;
