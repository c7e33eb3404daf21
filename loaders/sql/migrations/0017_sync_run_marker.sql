-- Holds the run whose unlogged intermediate tables are whole: a database crash empties it together with them.
create unlogged table sync_run_marker (
    invocation_id uuid primary key
);

comment on table sync_run_marker is 'The run whose intermediate tables survived so far. At most one row.';
