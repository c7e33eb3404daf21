-- Whether a user said when a session was observed. Sessions that nobody dated follow one another in a source, whatever
-- the clock does; how far imports of old are dated is unknown, so they count as dated.
alter table scrape_sessions add column is_dated boolean not null default false;

update scrape_sessions set is_dated = true
where session_kind in ('import', 'replay');
