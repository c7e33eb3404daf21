-- An empty table with the partition and the indexes of the staging table, for psql to copy into.
create table copied_staging (like property_scrapes_staging including all) partition by range (landed_at);
create table copied_staging_month partition of copied_staging
for values from ('2000-01-01') to ('2100-01-01');
