-- The advisory lock that a command holds as long as it waits for the run of its request; free means that it is gone.
create function sync_request_lock_key(request_id uuid) returns bigint
language sql
immutable
as $$
    select hashtextextended('sync request ' || request_id::text, 0)
$$;
