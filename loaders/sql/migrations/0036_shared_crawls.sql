-- Crawls that several workers share, with what each needs to know of them.
alter table scrape_sessions
add column reader text,
add column max_list_pages integer check (max_list_pages > 0),
add column stop_reason text,
add column pages_unchanged integer not null default 0;

comment on column scrape_sessions.reader is 'The selectors that read its pages; workers with others may not join.';
comment on column scrape_sessions.max_list_pages is 'How many result pages the crawl may read; NULL for all.';
comment on column scrape_sessions.stop_reason is 'Why the crawl gave up early; NULL when it did not.';
comment on column scrape_sessions.pages_unchanged is 'Adverts not read again because nothing is new; counted in pages_done too.';

alter table scrape_pages
drop constraint scrape_pages_page_class_check,
add check (page_class in ('ok', 'empty', 'unchanged', 'gone', 'blocked', 'error')),
add column card_hash text;

comment on column scrape_pages.card_hash is 'Of what the card that leads here says; NULL where there is no card.';

drop index scrape_pages_open;

create index scrape_pages_open on scrape_pages (session_id, host, priority, not_before) where state in ('todo', 'leased');

create index scrape_pages_leased on scrape_pages (host) where state = 'leased';

-- How many requests may be under way at a host at once, over all workers; NULL for any number.
alter table sources
add column requests_in_flight integer default 4 check (requests_in_flight > 0);
