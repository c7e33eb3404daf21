-- How long the documents of crawled pages are kept, in days: 0 keeps none, NULL all.
alter table sources
add column page_retention_days double precision default 14 check (page_retention_days >= 0);
