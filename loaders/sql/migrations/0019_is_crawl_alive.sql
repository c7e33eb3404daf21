-- Whether a process is working on a crawl at this moment, wherever it runs.
create function is_crawl_alive(session_id uuid) returns boolean
language sql
stable
set search_path from current
as $$
    select exists (
        select 1
        from pg_locks
        where
            locktype = 'advisory'
            and granted
            and database = (select oid from pg_database where datname = current_database())
            and objsubid = 1
            and (classid::bigint << 32) | objid::bigint = crawl_lock_key(session_id)
    )
$$;
