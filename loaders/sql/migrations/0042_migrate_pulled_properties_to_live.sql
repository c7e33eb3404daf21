-- Lands the legacy table as one complete session of source legacy; the next sync judges and publishes it.
create function migrate_pulled_properties_to_live(chosen jsonb default '{}') returns bigint
language plpgsql
set search_path from current
as $$
declare
    mapping constant jsonb := pulled_properties_mapping(chosen);
    new_session constant uuid := gen_random_uuid();
    opened constant timestamptz := clock_timestamp();
    content text;
    read_count bigint;
    landed_count bigint;
begin
    -- One migration at a time, and nobody writes into the table while it is read.
    perform pg_advisory_xact_lock(hashtext('property_manager legacy'), hashtext(current_schema()));
    execute format('lock table %s in share mode', pulled_properties_table());

    select md5(mapping::text || coalesce(string_agg(row_hash, '' order by row_hash), '')), count(*)
    into content, read_count
    from (select md5(record::text) as row_hash from pulled_properties_rows(mapping)) as hashed;
    if read_count = 0 or content = (
        select migrations.content_hash
        from legacy_migrations as migrations
        inner join scrape_sessions as sessions on migrations.session_id = sessions.session_id
        where sessions.status not in ('failed', 'rolled_back')
        order by migrations.landed_at desc
        limit 1
    ) then
        return 0;
    end if;
    if exists (select 1 from retired_scopes where source = 'legacy' and scope = 'pulled_properties') then
        raise exception 'the scope pulled_properties of legacy is retired; nothing was landed'
            using hint = 'To migrate again: property-manager source restore-scope legacy pulled_properties';
    end if;

    insert into sources (source) values ('legacy') on conflict do nothing;
    perform ensure_staging_partition(opened);
    insert into scrape_sessions (
        session_id, source, scope, session_name, session_kind, opened_at, observed_at, heartbeat_at
    )
    values (new_session, 'legacy', 'pulled_properties', 'pulled_properties', 'import', opened, opened, opened);
    insert into legacy_migrations (session_id, mapping, content_hash, rows_read)
    values (new_session, mapping, content, read_count);
    insert into property_scrapes_staging (
        property_id, session_id, landed_at, row_no, source, source_listing_id, observation_kind, observed_at,
        listing_status,
        url_text, title_text, description_text, property_type_text, offer_type_text, price_text, currency_text,
        price_period_text, area_m2_text, land_area_m2_text, rooms_text, bedrooms_text, bathrooms_text, floor_text,
        floor_count_text, year_built_text, street_address_text, city_text, region_text, postal_code_text,
        country_text, latitude_text, longitude_text, ownership_text, building_material_text, condition_text,
        has_parking_text, has_balcony_text, has_elevator_text, has_security_text, has_storage_room_text,
        amenities_text, images_text, agent_name_text, agent_phone_text, agent_email_text, listed_at_text,
        attributes, payload, observed_fields
    )
    select
        property_id, new_session, opened, row_no, 'legacy', source_listing_id, 'import', opened,
        listing_status,
        record ->> (mapping ->> 'url'), record ->> (mapping ->> 'title'), record ->> (mapping ->> 'description'),
        record ->> (mapping ->> 'property_type'), record ->> (mapping ->> 'offer_type'),
        record ->> (mapping ->> 'price'), record ->> (mapping ->> 'currency'),
        record ->> (mapping ->> 'price_period'), record ->> (mapping ->> 'area_m2'),
        record ->> (mapping ->> 'land_area_m2'), record ->> (mapping ->> 'rooms'),
        record ->> (mapping ->> 'bedrooms'), record ->> (mapping ->> 'bathrooms'), record ->> (mapping ->> 'floor'),
        record ->> (mapping ->> 'floor_count'), record ->> (mapping ->> 'year_built'),
        record ->> (mapping ->> 'street_address'), record ->> (mapping ->> 'city'), record ->> (mapping ->> 'region'),
        record ->> (mapping ->> 'postal_code'), record ->> (mapping ->> 'country'),
        record ->> (mapping ->> 'latitude'), record ->> (mapping ->> 'longitude'),
        record ->> (mapping ->> 'ownership'), record ->> (mapping ->> 'building_material'),
        record ->> (mapping ->> 'condition'), record ->> (mapping ->> 'has_parking'),
        record ->> (mapping ->> 'has_balcony'), record ->> (mapping ->> 'has_elevator'),
        record ->> (mapping ->> 'has_security'), record ->> (mapping ->> 'has_storage_room'),
        record ->> (mapping ->> 'amenities'), record ->> (mapping ->> 'images'),
        record ->> (mapping ->> 'agent_name'), record ->> (mapping ->> 'agent_phone'),
        record ->> (mapping ->> 'agent_email'), record ->> (mapping ->> 'listed_at'),
        (
            select coalesce(jsonb_object_agg(substr(field_name, 12), record ->> column_name), '{}')
            from jsonb_each_text(mapping) as pairs (field_name, column_name)
            where field_name like 'attributes.%'
        ),
        record,
        array(
            select field_name from jsonb_object_keys(mapping) as fields (field_name)
            where field_name not in ('source_listing_id', 'listing_status')
            order by field_name
        )
    from pulled_properties_rows(mapping)
    where reason_code is null;
    get diagnostics landed_count = row_count;

    insert into landing_rejects (session_id, row_no, source, reason_code, reason, raw_text)
    select
        new_session, row_no, 'legacy', reason_code,
        case reason_code
            when 'missing_id' then 'the row has no source_listing_id'
            else 'source_listing_id is longer than 1000 characters'
        end,
        record::text
    from pulled_properties_rows(mapping)
    where reason_code is not null;

    update scrape_sessions
    set
        status = 'scraped', scraped_at = clock_timestamp(), heartbeat_at = clock_timestamp(), is_complete = true,
        rows_read = read_count, rows_landed = landed_count, rows_rejected = read_count - landed_count,
        duplicates_collapsed = landed_count - (
            select count(distinct staged.property_id) from property_scrapes_staging as staged
            where staged.session_id = new_session and staged.landed_at = opened
        )
    where session_id = new_session;
    insert into admin_audit_log (action, target, details)
    values (
        'migrate legacy', new_session::text,
        jsonb_build_object('mapping', mapping, 'rows_read', read_count, 'rows_landed', landed_count)
    );
    return landed_count;
end
$$;
