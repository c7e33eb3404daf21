-- What an operator permitted for one session, kept with it so that its verdict can be given again.
alter table scrape_sessions
add column is_forced boolean not null default false,
add column allows_mass_removal boolean not null default false;

alter table sync_requests
add column allows_mass_removal boolean not null default false;
