-- Limits of the gate on what may change from one session to the next; NULL switches a limit off.
alter table sources
add column max_fill_rate_drop double precision default 0.2 check (max_fill_rate_drop between 0 and 1),
add column max_id_turnover double precision default 0.7 check (max_id_turnover between 0 and 1);
