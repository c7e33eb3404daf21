-- Rows that landing and psql do not have in common.
select
    (select count(*) from (table property_scrapes_staging except all table copied_staging) as ours)
    + (select count(*) from (table copied_staging except all table property_scrapes_staging) as theirs);
