-- Which column of the legacy table feeds each field: the first of its usual names, unless another one was chosen.
create function pulled_properties_mapping(chosen jsonb default '{}') returns jsonb
language plpgsql
stable
set search_path from current
as $$
declare
    legacy_columns text [] := array(
        select attname::text from pg_attribute
        where attrelid = pulled_properties_table() and attnum > 0 and not attisdropped
    );
    usual jsonb;
    unknown text;
begin
    select jsonb_object_agg(field_name, column_name) into usual
    from (
        values
        ('source_listing_id', '{id,property_id,listing_id,external_id,source_listing_id,reference,url}'::text []),
        ('listing_status', '{listing_status,status,is_active,active}'),
        ('url', '{url,link,property_url,listing_url,source_url,href}'),
        ('title', '{title,name,headline}'),
        ('description', '{description,details,summary}'),
        ('property_type', '{property_type,type,category}'),
        ('offer_type', '{offer_type,listing_type,transaction_type,deal_type,purpose}'),
        ('price', '{price,asking_price,list_price,price_amount}'),
        ('currency', '{currency,price_currency,currency_code}'),
        ('price_period', '{price_period,rent_period}'),
        ('area_m2', '{area_m2,area,size,size_m2,sqm,square_meters,surface,living_area}'),
        ('land_area_m2', '{land_area_m2,land_area,plot_size,lot_size}'),
        ('rooms', '{rooms,number_of_rooms,num_rooms,room_count}'),
        ('bedrooms', '{bedrooms,beds,num_bedrooms,bedroom_count}'),
        ('bathrooms', '{bathrooms,baths,num_bathrooms,bathroom_count}'),
        ('floor', '{floor,floor_number}'),
        ('floor_count', '{floor_count,floors,total_floors}'),
        ('year_built', '{year_built,construction_year,build_year,built_year}'),
        ('street_address', '{street_address,address,full_address,street,location}'),
        ('city', '{city,town,municipality,locality}'),
        ('region', '{region,state,province,county}'),
        ('postal_code', '{postal_code,postcode,zip_code,zipcode,zip}'),
        ('country', '{country,country_code}'),
        ('latitude', '{latitude,lat}'),
        ('longitude', '{longitude,lng,lon,long}'),
        ('ownership', '{ownership}'),
        ('building_material', '{building_material,material}'),
        ('condition', '{condition}'),
        ('has_parking', '{has_parking,parking}'),
        ('has_balcony', '{has_balcony,balcony}'),
        ('has_elevator', '{has_elevator,elevator,lift}'),
        ('has_security', '{has_security,security}'),
        ('has_storage_room', '{has_storage_room,storage_room,storage}'),
        ('amenities', '{amenities,features,facilities}'),
        ('images', '{images,image_urls,photos,pictures,image_url}'),
        ('agent_name', '{agent_name,agent,broker_name,contact_name}'),
        ('agent_phone', '{agent_phone,phone,contact_phone}'),
        ('agent_email', '{agent_email,email,contact_email}'),
        ('listed_at', '{listed_at,date_listed,listed_date,date_posted,posted_at,published_at}')
    ) as fields (field_name, usual_names)
    cross join lateral (
        select column_name
        from unnest(fields.usual_names) with ordinality as names (usual_name, position)
        inner join unnest(legacy_columns) as columns (column_name) on lower(column_name) = usual_name
        order by position, column_name
        limit 1
    ) as first_found;

    select field_name into unknown from jsonb_object_keys(chosen) as fields (field_name)
    where
        field_name not in ('source_listing_id', 'listing_status')
        and field_name not like 'attributes.%'
        and not exists (
            select 1 from pg_attribute
            where attrelid = 'property_scrapes_staging'::regclass and attname = field_name || '_text'
        )
    limit 1;
    if unknown is not null then
        raise exception 'there is no field %', quote_ident(unknown)
            using errcode = 'undefined_column', hint = 'Map the column to attributes.' || unknown || ' instead.';
    end if;
    select chosen_column into unknown from jsonb_each_text(chosen) as pairs (field_name, chosen_column)
    where chosen_column <> all(legacy_columns) limit 1;
    if unknown is not null then
        raise exception 'pulled_properties has no column %', quote_ident(unknown)
            using errcode = 'undefined_column', hint = 'Its columns are: ' || array_to_string(legacy_columns, ', ');
    end if;
    usual := coalesce(usual, '{}') || chosen;
    if not usual ? 'source_listing_id' then
        raise exception 'nothing says which column of pulled_properties identifies a listing'
            using
                errcode = 'undefined_column',
                hint = 'Map it to source_listing_id; the columns are: ' || array_to_string(legacy_columns, ', ');
    end if;
    return usual;
end
$$;
