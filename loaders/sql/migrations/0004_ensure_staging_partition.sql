-- Creates the monthly staging partition that holds a landing time, where it does not exist yet.
create function ensure_staging_partition(landed_at timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    month_start timestamp := date_trunc('month', landed_at at time zone 'UTC');
    partition_name text := 'property_scrapes_staging_' || to_char(month_start, 'YYYY_MM');
begin
    if to_regclass(quote_ident(current_schema()) || '.' || partition_name) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('property_scrapes_staging partitions'));
    execute format(
        'create table if not exists %I partition of property_scrapes_staging for values from (%L) to (%L)',
        partition_name,
        month_start at time zone 'UTC',
        (month_start + interval '1 month') at time zone 'UTC'
    );
end
$$;
