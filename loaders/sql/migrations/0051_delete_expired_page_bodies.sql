-- Deletes documents older than their source keeps them, of one source or all; a dry run only counts.
create function delete_expired_page_bodies(only_source text default null, is_dry_run boolean default false)
returns table (source text, pages bigint, stored_bytes bigint)
language plpgsql
set search_path from current
as $$
begin
    if is_dry_run then
        return query
            select expired.source, count(*), sum(octet_length(expired.body))::bigint
            from page_bodies as expired
            inner join sources on expired.source = sources.source
            where
                (only_source is null or expired.source = only_source)
                and expired.fetched_at < now() - make_interval(secs => 86400 * sources.page_retention_days)
            group by expired.source
            order by expired.source;
    else
        return query
            with deleted as (
                delete from page_bodies as expired
                using sources
                where
                    expired.source = sources.source
                    and (only_source is null or expired.source = only_source)
                    and expired.fetched_at < now() - make_interval(secs => 86400 * sources.page_retention_days)
                returning expired.source, octet_length(expired.body) as body_bytes
            )
            select deleted.source, count(*), sum(deleted.body_bytes)::bigint
            from deleted
            group by deleted.source
            order by deleted.source;
    end if;
end
$$;

comment on function delete_expired_page_bodies is
'Deletes documents past page_retention_days of their source; returns pages and stored bytes by source.';
