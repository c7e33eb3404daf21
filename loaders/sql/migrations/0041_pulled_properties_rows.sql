-- The rows of the legacy table with the listing that each one is, or the reason why it is none.
create function pulled_properties_rows(mapping jsonb)
returns table (
    row_no bigint,
    property_id uuid,
    source_listing_id text,
    listing_status text,
    reason_code text,
    record jsonb
)
language plpgsql
stable
set search_path from current
as $$
begin
    return query execute format(
        $query$
        select
            row_number() over (order by listing_id, record::text),
            md5('legacy|' || listing_id)::uuid,
            listing_id,
            case
                when state in ('sold', 'closed', 'rented', 'let') then 'sold'
                when state in (
                    'false', 'removed', 'inactive', 'deleted', 'expired', 'withdrawn', 'archived', 'gone', 'off_market'
                ) then 'gone'
            end,
            case when listing_id is null then 'missing_id' when length(listing_id) > 1000 then 'id_too_long' end,
            record
        from %s as legacy
        cross join lateral to_jsonb(legacy) as record
        cross join lateral nullif(btrim(record ->> ($1 ->> 'source_listing_id'), E' \t\r\n'), '') as listing_id
        cross join lateral lower(record ->> ($1 ->> 'listing_status')) as state
        $query$,
        pulled_properties_table()
    ) using mapping;
end
$$;
