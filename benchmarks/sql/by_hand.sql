-- What one sync of a complete session comes to in plain statements, for a feed whose notation is known beforehand.
-- Each step has a name; %(session_id)s is the session.

-- name: normalise
-- Texts become typed values with a hash over what may change, in an unlogged table.
create unlogged table by_hand.observed as
with

typed as (

    select
        property_id,
        source_listing_id,
        source,
        nullif(regexp_replace(btrim(url_text), '[?&]utm_[^&#]*', '', 'g'), '') as url,
        nullif(btrim(title_text), '') as title,
        nullif(btrim(description_text), '') as description,
        nullif(btrim(property_type_text), '') as property_type,
        nullif(btrim(offer_type_text), '') as offer_type,
        case when price_text ~ '^\d+(\.\d+)?$' then price_text::numeric end as price,
        upper(nullif(btrim(currency_text), '')) as currency,
        nullif(btrim(price_period_text), '') as price_period,
        nullif(btrim(price_qualifier_text), '') as price_qualifier,
        case when area_m2_text ~ '^\d+(\.\d+)?$' then area_m2_text::numeric end as area_m2,
        case when land_area_m2_text ~ '^\d+(\.\d+)?$' then land_area_m2_text::numeric end as land_area_m2,
        case when rooms_text ~ '^\d+(\.\d+)?$' then rooms_text::numeric end as rooms,
        case when bedrooms_text ~ '^\d+(\.\d+)?$' then bedrooms_text::numeric end as bedrooms,
        case when bathrooms_text ~ '^\d+(\.\d+)?$' then bathrooms_text::numeric end as bathrooms,
        case when floor_text ~ '^\d{1,9}$' then floor_text::integer end as floor,
        case when floor_count_text ~ '^\d{1,9}$' then floor_count_text::integer end as floor_count,
        case when year_built_text ~ '^\d{1,9}$' then year_built_text::integer end as year_built,
        nullif(btrim(street_address_text), '') as street_address,
        nullif(btrim(city_text), '') as city,
        nullif(btrim(region_text), '') as region,
        nullif(btrim(postal_code_text), '') as postal_code,
        nullif(btrim(country_text), '') as country,
        case when latitude_text ~ '^-?\d+(\.\d+)?$' then latitude_text::double precision end as latitude,
        case when longitude_text ~ '^-?\d+(\.\d+)?$' then longitude_text::double precision end as longitude,
        nullif(btrim(ownership_text), '') as ownership,
        nullif(btrim(building_material_text), '') as building_material,
        nullif(btrim(condition_text), '') as condition,
        case lower(has_parking_text) when 'yes' then true when 'no' then false end as has_parking,
        case lower(has_balcony_text) when 'yes' then true when 'no' then false end as has_balcony,
        case lower(has_elevator_text) when 'yes' then true when 'no' then false end as has_elevator,
        case lower(has_security_text) when 'yes' then true when 'no' then false end as has_security,
        case lower(has_storage_room_text) when 'yes' then true when 'no' then false end as has_storage_room,
        (
            select array_agg(distinct entry order by entry)
            from string_to_table(amenities_text, '|') as entries (entry)
        ) as amenities,
        string_to_array(nullif(images_text, ''), '|') as images,
        nullif(btrim(agent_name_text), '') as agent_name,
        nullif(btrim(agent_phone_text), '') as agent_phone,
        nullif(btrim(agent_email_text), '') as agent_email,
        case when listed_at_text ~ '^\d{4}-\d\d-\d\d$' then listed_at_text::timestamp at time zone 'UTC' end
            as listed_at,
        (
            select
                jsonb_object_agg(
                    name,
                    case when value ~ '^\d+(\.\d+)?$' then value::jsonb else to_jsonb(nullif(btrim(value), '')) end
                )
            from jsonb_each_text(attributes) as entries (name, value)
        ) as attributes,
        observed_at
    from property_scrapes_staging
    where session_id = %(session_id)s

)

select
    *,
    hash_record_extended(
        row(
            url, title, description, property_type, offer_type, price, currency, price_period, price_qualifier, area_m2,
            land_area_m2, rooms, bedrooms, bathrooms, floor, floor_count, year_built, street_address, city,
            region, postal_code, country, latitude, longitude, ownership, building_material, condition,
            has_parking, has_balcony, has_elevator, has_security, has_storage_room, amenities, (select
            array_agg(distinct entry order by entry) from unnest(images) as entries (entry)), agent_name,
            agent_phone, agent_email, listed_at,
            attributes
        ), 0
    ) as row_hash
from typed;

analyze by_hand.observed (property_id);

-- name: validate
-- The rules, compiled: one pass, and only rows that break one go on.
create unlogged table by_hand.flagged as
select
    property_id,
    coalesce(price < 1, false) as is_rejected,
    array_remove(
        array[
            case when area_m2 < 5 or area_m2 > 100000 then 'area_is_plausible' end,
            case when currency !~ '^[A-Z]{3}$' then 'currency_is_a_code' end,
            case when price is null then 'price_is_stated' end,
            case when rooms < 0.5 or rooms > 100 then 'rooms_are_plausible' end,
            case when year_built < 1000 or year_built > 2100 then 'year_built_is_plausible' end
        ],
        null
    ) as quality_flags
from by_hand.observed
where
    price < 1
    or price is null
    or area_m2 < 5
    or area_m2 > 100000
    or rooms < 0.5
    or rooms > 100
    or year_built < 1000
    or year_built > 2100
    or currency !~ '^[A-Z]{3}$';

-- name: detect
-- Rows to publish: new, back again, or with another hash or other flags.
create unlogged table by_hand.changed as
select
    case
        when live.property_id is null then 'created'
        when live.listing_status = 'removed' then 'reactivated'
        when live.row_hash <> observed.row_hash then 'updated'
    end as change_type,
    observed.*,
    coalesce(flagged.quality_flags, '{}') as quality_flags,
    live.price as old_price,
    live.first_price as old_first_price,
    live.original_price as old_original_price,
    live.previous_price as old_previous_price,
    live.lowest_price as old_lowest_price,
    live.price_changed_at as old_price_changed_at,
    coalesce(live.earlier_days_on_market, 0) as old_earlier_days,
    coalesce(live.significant_baseline, '{}') as old_baseline,
    coalesce(live.version, 0) as old_version,
    coalesce(live.spell_number, 0) as old_spell_number,
    live.first_seen_at as old_first_seen_at,
    live.spell_started_at as old_spell_started_at,
    live.observed_at as old_observed_at,
    live.last_session_id as old_session_id
from by_hand.observed as observed
left join by_hand.flagged as flagged on observed.property_id = flagged.property_id
left join by_hand.properties_live as live on observed.property_id = live.property_id
where
    flagged.is_rejected is not true
    and (
        live.property_id is null
        or live.listing_status = 'removed'
        or live.row_hash is distinct from observed.row_hash
        or live.quality_flags is distinct from coalesce(flagged.quality_flags, '{}')
    );

analyze by_hand.changed (property_id, change_type);

-- name: find_removed
-- Active listings of the scope that the session did not see.
create unlogged table by_hand.removed as
select
    live.property_id,
    sessions.source,
    sessions.scope,
    sessions.observed_at
from by_hand.properties_live as live
inner join scrape_sessions as sessions on live.source = sessions.source and sessions.scope = any(live.scopes)
where
    sessions.session_id = %(session_id)s
    and live.listing_status = 'active'
    and not exists (select 1 from by_hand.observed as observed where observed.property_id = live.property_id);

analyze by_hand.removed (property_id);

-- name: weigh_updates
-- Changed fields, measured from their last significant value.
create unlogged table by_hand.field_changes as
with

updates as (

    select
        changed.property_id,
        changed.source,
        field.field_name,
        field.old_value,
        field.new_value,
        case when changed.old_baseline ? field.field_name then changed.old_baseline -> field.field_name
            else field.old_value end as significant_value,
        changed.observed_at
    from by_hand.changed as changed
    inner join by_hand.properties_live as live on changed.property_id = live.property_id
    cross join lateral (
        values
        ('url', to_jsonb(live.url), to_jsonb(changed.url)),
        ('title', to_jsonb(live.title), to_jsonb(changed.title)),
        ('description', to_jsonb(live.description), to_jsonb(changed.description)),
        ('property_type', to_jsonb(live.property_type), to_jsonb(changed.property_type)),
        ('offer_type', to_jsonb(live.offer_type), to_jsonb(changed.offer_type)),
        ('price', to_jsonb(live.price), to_jsonb(changed.price)),
        ('currency', to_jsonb(live.currency), to_jsonb(changed.currency)),
        ('price_period', to_jsonb(live.price_period), to_jsonb(changed.price_period)),
        ('price_qualifier', to_jsonb(live.price_qualifier), to_jsonb(changed.price_qualifier)),
        ('area_m2', to_jsonb(live.area_m2), to_jsonb(changed.area_m2)),
        ('land_area_m2', to_jsonb(live.land_area_m2), to_jsonb(changed.land_area_m2)),
        ('rooms', to_jsonb(live.rooms), to_jsonb(changed.rooms)),
        ('bedrooms', to_jsonb(live.bedrooms), to_jsonb(changed.bedrooms)),
        ('bathrooms', to_jsonb(live.bathrooms), to_jsonb(changed.bathrooms)),
        ('floor', to_jsonb(live.floor), to_jsonb(changed.floor)),
        ('floor_count', to_jsonb(live.floor_count), to_jsonb(changed.floor_count)),
        ('year_built', to_jsonb(live.year_built), to_jsonb(changed.year_built)),
        ('street_address', to_jsonb(live.street_address), to_jsonb(changed.street_address)),
        ('city', to_jsonb(live.city), to_jsonb(changed.city)),
        ('region', to_jsonb(live.region), to_jsonb(changed.region)),
        ('postal_code', to_jsonb(live.postal_code), to_jsonb(changed.postal_code)),
        ('country', to_jsonb(live.country), to_jsonb(changed.country)),
        ('latitude', to_jsonb(live.latitude), to_jsonb(changed.latitude)),
        ('longitude', to_jsonb(live.longitude), to_jsonb(changed.longitude)),
        ('ownership', to_jsonb(live.ownership), to_jsonb(changed.ownership)),
        ('building_material', to_jsonb(live.building_material), to_jsonb(changed.building_material)),
        ('condition', to_jsonb(live.condition), to_jsonb(changed.condition)),
        ('has_parking', to_jsonb(live.has_parking), to_jsonb(changed.has_parking)),
        ('has_balcony', to_jsonb(live.has_balcony), to_jsonb(changed.has_balcony)),
        ('has_elevator', to_jsonb(live.has_elevator), to_jsonb(changed.has_elevator)),
        ('has_security', to_jsonb(live.has_security), to_jsonb(changed.has_security)),
        ('has_storage_room', to_jsonb(live.has_storage_room), to_jsonb(changed.has_storage_room)),
        ('amenities', to_jsonb(live.amenities), to_jsonb(changed.amenities)),
        ('images', to_jsonb(live.images), to_jsonb(changed.images)),
        ('agent_name', to_jsonb(live.agent_name), to_jsonb(changed.agent_name)),
        ('agent_phone', to_jsonb(live.agent_phone), to_jsonb(changed.agent_phone)),
        ('agent_email', to_jsonb(live.agent_email), to_jsonb(changed.agent_email)),
        ('listed_at', to_jsonb(live.listed_at), to_jsonb(changed.listed_at))
    ) as field (field_name, old_value, new_value)
    where changed.change_type = 'updated' and field.old_value is distinct from field.new_value

),

measured as (

    select
        *,
        case field_name
            when 'price'
                then
                    round(
                        abs((new_value #>> '{}')::numeric - (significant_value #>> '{}')::numeric)
                        / abs((significant_value #>> '{}')::numeric), 6
                    )
            when 'description'
                then (
                    select
                        round(
                            1 - count(*) filter (where is_old and is_new)::numeric / count(*), 6
                        )
                    from (
                        select bool_or(side = 'old') as is_old, bool_or(side = 'new') as is_new
                        from (
                            select 'old' as side, regexp_split_to_table(lower(significant_value #>> '{}'), '\W+') as word
                            union all
                            select 'new' as side, regexp_split_to_table(lower(new_value #>> '{}'), '\W+') as word
                        ) as words
                        group by word
                    ) as members
                )
        end::double precision as significant_size
    from updates

)

select
    *,
    significant_size >= case field_name when 'price' then 0.05 else 0.2 end as is_significant
from measured;

-- name: write_changes
-- The feed: whole rows of new listings, single fields of updated ones, and removals.
insert into by_hand.property_changes
with

changes as (

    select
        changed.property_id,
        changed.source,
        changed.change_type,
        null as field_name,
        null::jsonb as old_value,
        jsonb_strip_nulls(jsonb_build_object(
            'url', changed.url, 'title', changed.title, 'description', changed.description, 'property_type', changed.property_type,
            'offer_type', changed.offer_type, 'price', changed.price, 'currency', changed.currency, 'price_period', changed.price_period, 'price_qualifier', changed.price_qualifier,
            'area_m2', changed.area_m2, 'land_area_m2', changed.land_area_m2, 'rooms', changed.rooms, 'bedrooms', changed.bedrooms,
            'bathrooms', changed.bathrooms, 'floor', changed.floor, 'floor_count', changed.floor_count, 'year_built', changed.year_built,
            'street_address', changed.street_address, 'city', changed.city, 'region', changed.region, 'postal_code', changed.postal_code,
            'country', changed.country, 'latitude', changed.latitude, 'longitude', changed.longitude, 'ownership', changed.ownership,
            'building_material', changed.building_material, 'condition', changed.condition, 'has_parking', changed.has_parking, 'has_balcony', changed.has_balcony,
            'has_elevator', changed.has_elevator, 'has_security', changed.has_security, 'has_storage_room', changed.has_storage_room, 'amenities', changed.amenities,
            'images', changed.images, 'agent_name', changed.agent_name, 'agent_phone', changed.agent_phone, 'agent_email', changed.agent_email,
            'listed_at', changed.listed_at,
            'attributes', changed.attributes
        )) as new_value,
        true as is_significant,
        case changed.change_type when 'created' then 0.95 else 0.9 end::double precision as confidence,
        case changed.change_type when 'created' then 'New Listing' else 'Back On Market' end as major_change_type,
        null as reason,
        null as removal_reason,
        changed.observed_at
    from by_hand.changed as changed
    where changed.change_type in ('created', 'reactivated')

    union all

    select
        property_id,
        source,
        'updated' as change_type,
        field_name,
        old_value,
        new_value,
        is_significant,
        round((
            case field_name when 'price' then 0.98 else 0.8 end
            * (1 - 0.5 * least(case when old_value = significant_value then significant_size else
                abs((new_value #>> '{}')::numeric - (old_value #>> '{}')::numeric) / abs((old_value #>> '{}')::numeric)
            end, 1))
        )::numeric, 4)::double precision as confidence,
        case field_name when 'price' then 'Price Change' end as major_change_type,
        null as reason,
        null as removal_reason,
        observed_at
    from by_hand.field_changes

    union all

    select
        property_id,
        source,
        'removed' as change_type,
        null as field_name,
        null as old_value,
        null as new_value,
        true as is_significant,
        0.6 as confidence,
        'Withdrawn' as major_change_type,
        'absent from 1 complete sessions' as reason,
        'absent' as removal_reason,
        observed_at
    from by_hand.removed

),

in_feed_order as (

    select
        *,
        case when jsonb_typeof(old_value) = 'number' then old_value::numeric end as old_number,
        case when jsonb_typeof(new_value) = 'number' then new_value::numeric end as new_number
    from changes
    order by property_id, change_type, field_name

)

select
    property_id,
    md5(concat_ws('|', 'sync', %(session_id)s, property_id, change_type, field_name))::uuid as change_id,
    nextval('by_hand.property_changes_sequence') as sequence,
    true as is_published,
    %(session_id)s as sync_id,
    %(session_id)s as session_id,
    source,
    'default' as scope,
    change_type,
    field_name,
    old_value,
    new_value,
    new_number - old_number as absolute_change,
    round((new_number - old_number) / nullif(abs(old_number), 0), 6)::double precision as relative_change,
    is_significant,
    confidence,
    major_change_type,
    'applied' as status,
    reason,
    removal_reason,
    now() as detected_at,
    observed_at
from in_feed_order;

-- name: promote
-- Changed rows alone go into the live table.
insert into by_hand.properties_live
select
    property_id,
    source_listing_id,
    source,
    'active' as listing_status,
    url, title, description, property_type, offer_type, price, currency, price_period, price_qualifier, area_m2, land_area_m2,
    rooms, bedrooms, bathrooms, floor, floor_count, year_built, street_address, city, region, postal_code,
    country, latitude, longitude, ownership, building_material, condition, has_parking, has_balcony,
    has_elevator, has_security, has_storage_room, amenities, images, agent_name, agent_phone, agent_email,
    listed_at,
    attributes,
    quality_flags,
    array['default'] as scopes,
    row_hash,
    old_version + (change_type is not null)::integer as version,
    old_spell_number + (change_type is not null and change_type <> 'updated')::integer as spell_number,
    coalesce(old_first_price, price) as first_price,
    case when change_type in ('created', 'reactivated') then price else coalesce(old_original_price, price) end
        as original_price,
    case when price <> old_price then old_price else old_previous_price end as previous_price,
    case when change_type in ('created', 'reactivated') then price else least(old_lowest_price, price) end
        as lowest_price,
    round(
        1 - price / nullif(
            case when change_type in ('created', 'reactivated') then price else coalesce(old_original_price, price) end, 0
        ), 6
    )::double precision as cumulative_price_cut,
    case when price <> old_price then observed_at else old_price_changed_at end as price_changed_at,
    null as held_price,
    null as held_currency,
    null as held_at,
    null as relisted_from,
    old_earlier_days as earlier_days_on_market,
    case when change_type in ('created', 'reactivated') then '{}' else old_baseline end
    - coalesce(drifts.settled_fields, '{}') || coalesce(drifts.drifting_from, '{}') as significant_baseline,
    null as removal_reason,
    'Active' as standard_status,
    coalesce(old_first_seen_at, observed_at) as first_seen_at,
    case when change_type in ('created', 'reactivated') then observed_at else old_spell_started_at end
        as spell_started_at,
    null as removed_at,
    case when change_type is null then old_observed_at else observed_at end as observed_at,
    case when change_type is null then old_session_id else %(session_id)s end as last_session_id,
    setweight(to_tsvector('simple', coalesce(title, '')), 'A')
    || setweight(to_tsvector('simple', concat_ws(' ', street_address, city, region, postal_code, property_type)), 'B')
    || setweight(to_tsvector('simple', left(coalesce(description, ''), 50000)), 'C') as search_vector,
    true as is_published
from by_hand.changed
left join (
    select
        property_id as drifting_id,
        array_agg(field_name) filter (where is_significant or new_value is not distinct from significant_value)
            as settled_fields,
        jsonb_object_agg(field_name, significant_value) filter (
            where not is_significant and new_value is distinct from significant_value
        ) as drifting_from
    from by_hand.field_changes
    group by property_id
) as drifts on changed.property_id = drifts.drifting_id
on conflict (property_id) do update set
    (
        source_listing_id, source, listing_status, url, title, description, property_type, offer_type, price,
        currency, price_period, price_qualifier, area_m2, land_area_m2, rooms, bedrooms, bathrooms, floor, floor_count,
        year_built, street_address, city, region, postal_code, country, latitude, longitude, ownership,
        building_material, condition, has_parking, has_balcony, has_elevator, has_security, has_storage_room,
        amenities, images, agent_name, agent_phone, agent_email, listed_at, attributes, quality_flags, scopes,
        row_hash, version, spell_number, first_price, original_price, previous_price, lowest_price, cumulative_price_cut,
        price_changed_at, held_price, held_currency, held_at, relisted_from, earlier_days_on_market,
        significant_baseline, removal_reason, standard_status, first_seen_at, spell_started_at, removed_at, observed_at,
        last_session_id, search_vector, is_published
    ) = row(
        excluded.source_listing_id, excluded.source, excluded.listing_status, excluded.url, excluded.title,
        excluded.description, excluded.property_type, excluded.offer_type, excluded.price, excluded.currency,
        excluded.price_period, excluded.price_qualifier, excluded.area_m2, excluded.land_area_m2, excluded.rooms, excluded.bedrooms,
        excluded.bathrooms, excluded.floor, excluded.floor_count, excluded.year_built,
        excluded.street_address, excluded.city, excluded.region, excluded.postal_code, excluded.country,
        excluded.latitude, excluded.longitude, excluded.ownership, excluded.building_material,
        excluded.condition, excluded.has_parking, excluded.has_balcony, excluded.has_elevator,
        excluded.has_security, excluded.has_storage_room, excluded.amenities, excluded.images,
        excluded.agent_name, excluded.agent_phone, excluded.agent_email, excluded.listed_at,
        excluded.attributes, excluded.quality_flags, excluded.scopes, excluded.row_hash, excluded.version,
        excluded.spell_number, excluded.first_price, excluded.original_price, excluded.previous_price,
        excluded.lowest_price, excluded.cumulative_price_cut, excluded.price_changed_at,
        excluded.held_price, excluded.held_currency, excluded.held_at, excluded.relisted_from,
        excluded.earlier_days_on_market, excluded.significant_baseline, excluded.removal_reason,
        excluded.standard_status, excluded.first_seen_at, excluded.spell_started_at, excluded.removed_at,
        excluded.observed_at, excluded.last_session_id, excluded.search_vector, excluded.is_published
    );

-- name: remove
-- Listings that left keep their row.
update by_hand.properties_live as live
set
    listing_status = 'removed',
    removal_reason = 'absent',
    standard_status = 'Withdrawn',
    version = live.version + 1,
    removed_at = removed.observed_at,
    observed_at = removed.observed_at,
    last_session_id = %(session_id)s
from by_hand.removed as removed
where live.property_id = removed.property_id;

-- name: write_sightings
-- That the session saw a listing is kept, also where its row was rejected.
insert into by_hand.listing_sightings
select property_id, %(session_id)s, observed_at from by_hand.observed;

-- name: close_history
-- The versions that were current until now end.
update by_hand.properties_history as history
set valid_to = greatest(live.observed_at, history.valid_from + interval '1 microsecond')
from by_hand.properties_live as live
where
    history.property_id = live.property_id
    and history.valid_to is null
    and history.version < live.version
    and history.property_id in (
        select property_id from by_hand.changed where change_type is not null
        union all
        select property_id from by_hand.removed
    );

-- name: open_history
-- The new versions begin.
insert into by_hand.properties_history
select
    live.property_id, live.source_listing_id, live.source, live.listing_status, live.url, live.title,
    live.description, live.property_type, live.offer_type, live.price, live.currency, live.price_period, live.price_qualifier,
    live.area_m2, live.land_area_m2, live.rooms, live.bedrooms, live.bathrooms, live.floor, live.floor_count,
    live.year_built, live.street_address, live.city, live.region, live.postal_code, live.country,
    live.latitude, live.longitude, live.ownership, live.building_material, live.condition, live.has_parking,
    live.has_balcony, live.has_elevator, live.has_security, live.has_storage_room, live.amenities,
    live.images, live.agent_name, live.agent_phone, live.agent_email, live.listed_at, live.attributes,
    live.version, live.spell_number, live.relisted_from, live.removal_reason, live.standard_status, live.first_seen_at, live.spell_started_at, live.removed_at,
    live.observed_at, live.last_session_id,
    md5(live.property_id || '|' || live.version) as history_id,
    live.observed_at as recorded_at,
    coalesce(history.valid_to, live.observed_at) as valid_from,
    null as valid_to
from by_hand.properties_live as live
left join by_hand.properties_history as history
    on live.property_id = history.property_id and live.version = history.version + 1
where
    live.property_id in (
        select property_id from by_hand.changed where change_type is not null
        union all
        select property_id from by_hand.removed
    );
