-- Which crawl's stored pages a session holds, read again.
alter table scrape_sessions add column reparsed_session_id uuid;

comment on column scrape_sessions.reparsed_session_id is
'The crawl whose stored pages this session read again; NULL for all other sessions.';
