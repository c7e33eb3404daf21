-- Rows that are judged again form a session of their own kind.
alter table scrape_sessions drop constraint scrape_sessions_session_kind_check;

alter table scrape_sessions add constraint scrape_sessions_session_kind_check
check (session_kind in ('scrape', 'import', 'replay'));
