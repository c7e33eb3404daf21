-- Days after its removal for which a listing keeps the names, phones and e-mails of its agents; NULL keeps them for good.
alter table sources
add column personal_data_retention_days integer check (personal_data_retention_days >= 1);
