-- name: try_round_lock
-- Takes the lock that lets one round over all sources run at a time; it is held by the connection.
select pg_try_advisory_lock(20561, hashtext(current_schema()));
