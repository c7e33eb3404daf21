-- A retirement is a session without listings: the next sync removes what only the retired scope listed.
alter table scrape_sessions drop constraint scrape_sessions_session_kind_check;

alter table scrape_sessions
add constraint scrape_sessions_session_kind_check check (session_kind in ('scrape', 'import', 'replay', 'retirement'));
