-- How a view serves one column of the legacy table: from the live table where a field feeds it, else as it was.
create function legacy_column_expression(column_name text, column_type regtype, field_name text) returns text
language plpgsql
stable
set search_path from current
as $$
declare
    live constant text := 'live.' || quote_ident(coalesce(field_name, ''));
    old constant text := format('old.%I', column_name);
    live_type constant regtype := (
        select atttypid from pg_attribute
        where attrelid = 'properties_live'::regclass and attname = field_name and not attisdropped
    );
    is_text constant boolean := column_type in ('text'::regtype, 'varchar', 'bpchar', 'name');
    is_whole constant boolean := column_type in ('smallint'::regtype, 'integer', 'bigint');
    is_number constant boolean := live_type in ('numeric'::regtype, 'integer', 'double precision');
    is_time constant boolean := column_type in ('date'::regtype, 'timestamp', 'timestamptz');
begin
    return case
        -- Keys of other sources are made of the listing's id: whole numbers above 2^52, exact in JavaScript, too.
        when field_name = 'source_listing_id' and (is_whole or column_type = 'numeric'::regtype) then format(
            'case when live.source = ''legacy'' and live.source_listing_id ~ ''^-?[0-9]{1,18}$'' '
            'then live.source_listing_id::bigint '
            'else 4503599627370496 + (''x'' || substr(md5(live.property_id::text), 1, 13))::bit(52)::bigint end'
        )
        when field_name = 'source_listing_id' and column_type = 'uuid'::regtype then
            'case when live.source = ''legacy'' and live.source_listing_id ~* ''^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'' '
            'then live.source_listing_id::uuid else live.property_id end'
        when field_name = 'source_listing_id' then
            'case live.source when ''legacy'' then live.source_listing_id else live.property_id::text end'
        when field_name = 'listing_status' and column_type = 'boolean'::regtype then 'true'
        when field_name = 'listing_status' and is_text then format('coalesce(%s::text, ''active'')', old)
        when is_text and live_type = 'text[]'::regtype then format('array_to_string(%s, '', '')', live)
        when is_text and live_type is not null then format('%s::text', live)
        when column_type in ('json'::regtype, 'jsonb') and live_type is not null then
            format('to_jsonb(%s)::%s', live, column_type)
        when is_whole and is_number then format('case when abs(%1$s) < 1e18 then round(%1$s::numeric)::bigint end', live)
        when column_type in ('numeric'::regtype, 'real', 'double precision') and is_number then
            format('%s::%s', live, replace(column_type::text, 'real', 'double precision'))
        when column_type = live_type then live
        when is_time and live_type = 'timestamptz'::regtype then
            format('(%s at time zone ''UTC'')::%s', live, column_type)
        when is_time and lower(column_name) in ('created_at', 'first_seen_at', 'inserted_at') then
            format('coalesce(%s, (live.first_seen_at at time zone ''UTC'')::%s)', old, column_type)
        when is_time and lower(column_name) in ('updated_at', 'scraped_at', 'last_seen_at', 'pulled_at') then
            format('(live.observed_at at time zone ''UTC'')::%s', column_type)
        else old
    end;
end
$$;
