{%- set scraped_texts = [
    'scraped.title_text', 'scraped.description_text', 'scraped.property_type_text', 'scraped.offer_type_text',
    'scraped.street_address_text', 'scraped.city_text', 'scraped.region_text',
    'scraped.postal_code_text', 'scraped.country_text', 'scraped.ownership_text', 'scraped.building_material_text',
    'scraped.condition_text', 'scraped.amenities_text', 'scraped.agent_name_text', 'scraped.agent_phone_text',
    'scraped.agent_email_text',
] -%}
-- Reading a number or an area needs the settings of its source, and a listing may have changed its id: hence the joins.
-- `offset 0` keeps each text from being read again wherever its value is used.
with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

-- Told as an array, the sessions are looked up by index among the rows of months.
scraped as (

    select * from {{ source('property_manager', 'property_scrapes_staging') }}
    where session_id = any(array(select session_id from sessions))

),

aliases as (

    select * from {{ source('property_manager', 'listing_id_aliases') }}

),

-- A listing that was published under an older id stays that listing.
parsed as (

    select
        coalesce(aliases.property_id, scraped.property_id) as property_id,
        scraped.session_id,
        sessions.sync_id,
        coalesce(aliases.published_listing_id, scraped.source_listing_id) as source_listing_id,

        scraped.source,
        sessions.scope,
        scraped.observation_kind,
        scraped.listing_status as evidence,
        scraped.observed_fields as landed_fields,

        scraped.row_no,

        scraped.observation_kind = 'import' or scraped.observed_fields <> '{}' as is_read,

        scraped.observed_at,

        scraped.property_type_text,
        scraped.city_text,
        scraped.price_text,
        scraped.area_m2_text,
        scraped.land_area_m2_text,
        scraped.rooms_text,
        scraped.bedrooms_text,
        scraped.bathrooms_text,
        scraped.floor_text,
        scraped.floor_count_text,
        scraped.year_built_text,
        scraped.latitude_text,
        scraped.longitude_text,
        scraped.has_parking_text,
        scraped.has_balcony_text,
        scraped.has_elevator_text,
        scraped.has_security_text,
        scraped.has_storage_room_text,
        scraped.listed_at_text,

        typed.*
    from scraped
    inner join sessions on scraped.session_id = sessions.session_id
    left join aliases on scraped.property_id = aliases.landed_property_id
    cross join
        lateral (
            select
                {{ parse_url('scraped.url_text') }} as url,
                {{ parse_text('scraped.title_text', 'each_row.has_odd_spaces') }} as title,
                {{ parse_text('scraped.description_text', 'each_row.has_odd_spaces') }} as description,
                {{ parse_name('scraped.property_type_text', 'each_row.has_odd_spaces') }} as property_type,
                {{ parse_text('scraped.offer_type_text', 'each_row.has_odd_spaces') }} as offer_type,
                {{ parse_currency('scraped.currency_text', 'scraped.price_text', 'each_row.marked_price') }}
                    as stated_currency,
                {{ assume_currency('sessions.currency', 'scraped.currency_text', 'scraped.price_text') }}
                    as assumed_currency,
                {{ parse_price_period('scraped.price_period_text', 'each_row.price_words') }} as price_period,
                {{ parse_price_qualifier('scraped.price_qualifier_text', 'each_row.price_words') }} as price_qualifier,
                {{ parse_text('scraped.street_address_text', 'each_row.has_odd_spaces') }} as street_address,
                {{ parse_name('scraped.city_text', 'each_row.has_odd_spaces') }} as city,
                {{ parse_text('scraped.region_text', 'each_row.has_odd_spaces') }} as region,
                {{ parse_text('scraped.postal_code_text', 'each_row.has_odd_spaces') }} as postal_code,
                coalesce({{ parse_text('scraped.country_text', 'each_row.has_odd_spaces') }}, sessions.country)
                    as country,
                {{ parse_text('scraped.ownership_text', 'each_row.has_odd_spaces') }} as ownership,
                {{ parse_text('scraped.building_material_text', 'each_row.has_odd_spaces') }} as building_material,
                {{ parse_text('scraped.condition_text', 'each_row.has_odd_spaces') }} as condition,
                {{ parse_set('scraped.amenities_text', parse_text('entry', 'each_row.has_odd_spaces')) }} as amenities,
                {{ parse_list('scraped.images_text', parse_url('entry')) }} as images,
                {{ parse_text('scraped.agent_name_text', 'each_row.has_odd_spaces') }} as agent_name,
                {{ parse_text('scraped.agent_phone_text', 'each_row.has_odd_spaces') }} as agent_phone,
                {{ parse_text('scraped.agent_email_text', 'each_row.has_odd_spaces') }} as agent_email,
                {{ parse_attributes('scraped.attributes') }} as attributes,
                {{ parse_price('scraped.price_text', 'sessions.number_format', 'each_row.marked_price') }} as price,
                {{ parse_area('scraped.area_m2_text', 'sessions.number_format', 'sessions.area_unit') }} as area_m2,
                {{ parse_area('scraped.land_area_m2_text', 'sessions.number_format', 'sessions.area_unit') }}
                    as land_area_m2,
                {{ parse_number('scraped.rooms_text', 'sessions.number_format') }} as rooms,
                {{ parse_number('scraped.bedrooms_text', 'sessions.number_format') }} as bedrooms,
                {{ parse_number('scraped.bathrooms_text', 'sessions.number_format') }} as bathrooms,
                {{ parse_integer('scraped.floor_text', 'sessions.number_format') }} as floor,
                {{ parse_integer('scraped.floor_count_text', 'sessions.number_format') }} as floor_count,
                {{ parse_integer('scraped.year_built_text', 'sessions.number_format') }} as year_built,
                {{ parse_coordinate('scraped.latitude_text', 90) }} as latitude,
                {{ parse_coordinate('scraped.longitude_text', 180) }} as longitude,
                {{ parse_boolean('scraped.has_parking_text') }} as has_parking,
                {{ parse_boolean('scraped.has_balcony_text') }} as has_balcony,
                {{ parse_boolean('scraped.has_elevator_text') }} as has_elevator,
                {{ parse_boolean('scraped.has_security_text') }} as has_security,
                {{ parse_boolean('scraped.has_storage_room_text') }} as has_storage_room,
                {{ parse_timestamp('scraped.listed_at_text', 'sessions.time_zone') }} as listed_at
            from (
                select
                    said.has_odd_spaces,
                    said.price_words,
                    {{ marked_price('said.price_words') }} as marked_price
                from (
                    select
                        {{ any_has_odd_spaces(scraped_texts) }} as has_odd_spaces,
                        {{ price_words('scraped.price_text') }} as price_words
                    {{ read_once() }}
                ) as said
                offset 0 -- noqa: AM09
            ) as each_row
            offset 0 -- noqa: AM09
        ) as typed

)

select
    *,
    coalesce(stated_currency, assumed_currency) as currency,
    -- A price in words says by its silence that it is not, say, monthly, and any price that it is no longer on request;
    -- a card may leave both to the advert page.
    case
        when price_text is null then landed_fields
        when
            price_text ~ '^[0-9.]*$'
            and (price is null or observation_kind = 'card' or 'price_qualifier' = any(landed_fields))
            then landed_fields
        when price_text ~ '^[0-9.]*$' then landed_fields || array['price_qualifier']
        else
            landed_fields || array(
                select said.field_name
                from
                    unnest(array[
                        case when stated_currency is not null then 'currency' end,
                        case
                            when price_period is not null or observation_kind is distinct from 'card'
                                then 'price_period'
                        end,
                        case
                            when price_qualifier is not null or observation_kind is distinct from 'card'
                                then 'price_qualifier'
                        end
                    ]) as said (field_name)
                where said.field_name <> all(landed_fields)
            )
    end as observed_fields,
    array_remove(
        array[
            case when property_type is null and property_type_text ~ '\S' then 'property_type' end,
            case when city is null and city_text ~ '\S' then 'city' end,
            case
                when price is null and price_text ~ '\S' and price_qualifier is distinct from 'on_request' then 'price'
            end,
            case when area_m2 is null and area_m2_text ~ '\S' then 'area_m2' end,
            case when land_area_m2 is null and land_area_m2_text ~ '\S' then 'land_area_m2' end,
            case when rooms is null and rooms_text ~ '\S' then 'rooms' end,
            case when bedrooms is null and bedrooms_text ~ '\S' then 'bedrooms' end,
            case when bathrooms is null and bathrooms_text ~ '\S' then 'bathrooms' end,
            case when floor is null and floor_text ~ '\S' then 'floor' end,
            case when floor_count is null and floor_count_text ~ '\S' then 'floor_count' end,
            case when year_built is null and year_built_text ~ '\S' then 'year_built' end,
            case when latitude is null and latitude_text ~ '\S' then 'latitude' end,
            case when longitude is null and longitude_text ~ '\S' then 'longitude' end,
            case when has_parking is null and has_parking_text ~ '\S' then 'has_parking' end,
            case when has_balcony is null and has_balcony_text ~ '\S' then 'has_balcony' end,
            case when has_elevator is null and has_elevator_text ~ '\S' then 'has_elevator' end,
            case when has_security is null and has_security_text ~ '\S' then 'has_security' end,
            case when has_storage_room is null and has_storage_room_text ~ '\S' then 'has_storage_room' end,
            case when listed_at is null and listed_at_text ~ '\S' then 'listed_at' end
        ],
        null
    ) as unreadable_fields
from parsed
