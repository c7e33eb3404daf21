-- What a command asks the next dbt run to take; a plain dbt build without a request follows the default rule.
create table sync_requests (
    request_id uuid primary key,
    source text references sources (source),
    run_lock_pid integer not null,
    requested_at timestamptz not null default now(),
    claimed_by uuid,
    claimed_at timestamptz
);

comment on table sync_requests is
'Requests of commands to the next run: one source, or NULL for all. One row per request.';
