-- The advisory lock that the connection of a living crawl holds; free means that the process is gone.
create function crawl_lock_key(session_id uuid) returns bigint
language sql
stable
as $$
    select hashtextextended('crawl session ' || session_id::text, 0)
$$;
