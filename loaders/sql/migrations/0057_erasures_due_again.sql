-- What makes a listing due again whose personal data were blanked: a rollback, and raw rows that landed afterwards.
alter table personal_data_erasures add column undone_at timestamptz;

alter table scrape_sessions add column personal_data_checked_at timestamptz;

comment on column personal_data_erasures.undone_at is
'When a rollback took the listing back to an earlier state; NULL while the erasure counts.';

comment on column scrape_sessions.personal_data_checked_at is
'When the landed rows were searched for listings that were blanked before; NULL until then.';
