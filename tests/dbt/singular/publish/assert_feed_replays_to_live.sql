-- Detects a live table that is not the sum of its feed: applied rows are replayed in sequence order, per listing from
-- its last full row on, and give tracked fields, attributes, status and spell.
-- A returned row is a listing and a field in which replay and live table differ, with both values.
-- depends_on: {{ ref('properties_history') }}

with

feed as (

    select * from {{ ref('property_changes') }}
    where is_published and status = 'applied'

),

live as (

    select * from {{ ref('properties_live') }}

),

-- Rows that carry the whole listing; the last one of a listing is where its replay begins. Its spells are counted from
-- the last row that says which spell it is.
anchored as (

    select
        *,
        max(sequence) filter (
            where change_type in ('created', 'relisted', 'reactivated', 'restored', 'retracted')
        ) over per_listing as start_sequence,
        max(sequence) filter (
            where change_type in ('created', 'relisted', 'restored', 'retracted')
        ) over per_listing as spell_sequence
    from feed
    window per_listing as (partition by property_id)

),

-- A later value of a field replaces an earlier one, as keys of jsonb_object_agg do.
states as (

    select
        property_id,
        max(observed_at) filter (where sequence = start_sequence) as started_at,
        max(observed_at) filter (where sequence > start_sequence and change_type = 'removed') as removed_at,
        coalesce(max((new_value ->> 'spell_number')::integer) filter (where sequence = spell_sequence), 1)
        + count(*) filter (where sequence > spell_sequence and change_type = 'reactivated') as spell_number,
        max(change_type) filter (where sequence = start_sequence) as start_type,
        (array_agg(new_value) filter (where sequence = start_sequence))[1] as start_value,
        jsonb_object_agg(field_name, new_value order by sequence) filter (
            where sequence > start_sequence and field_name not like 'attributes.%'
        ) as fields,
        jsonb_object_agg(substr(field_name, length('attributes.') + 1), new_value order by sequence) filter (
            where sequence > start_sequence and field_name like 'attributes.%'
        ) as attributes
    from anchored
    group by property_id

),

replayed as (

    select
        property_id,
        jsonb_strip_nulls(
            start_value
            || coalesce(fields, '{}')
            || jsonb_build_object(
                'attributes', coalesce(start_value -> 'attributes', '{}') || coalesce(attributes, '{}'),
                'listing_status', case
                    when removed_at is null then coalesce(start_value ->> 'listing_status', 'active')
                    else 'removed'
                end,
                'spell_number', spell_number,
                'spell_started_at', coalesce((start_value ->> 'spell_started_at')::timestamptz, started_at),
                'removed_at', coalesce(removed_at, (start_value ->> 'removed_at')::timestamptz)
            )
        ) as listing
    from states
    where start_type <> 'retracted'

),

published as (

    select
        live.property_id,
        {{ listing_as_json('live') }}
        || jsonb_strip_nulls(
            jsonb_build_object(
                'listing_status', live.listing_status,
                'spell_number', live.spell_number,
                'spell_started_at', live.spell_started_at,
                'removed_at', live.removed_at
            )
        ) as listing
    from live

),

differing as (

    select
        coalesce(replayed.property_id, published.property_id) as property_id,
        coalesce(replayed.listing, '{}') as replayed_listing,
        coalesce(published.listing, '{}') as published_listing
    from replayed
    full outer join published on replayed.property_id = published.property_id
    where replayed.listing is distinct from published.listing

)

select
    differing.property_id,
    fields.field_name,
    differing.replayed_listing -> fields.field_name as replayed_value,
    differing.published_listing -> fields.field_name as published_value
from differing
cross join lateral jsonb_object_keys(differing.replayed_listing || differing.published_listing) as fields (field_name)
where
    case
        when fields.field_name = 'listed_at'
            then
                (differing.replayed_listing ->> 'listed_at')::timestamptz
                is distinct from (differing.published_listing ->> 'listed_at')::timestamptz
        else
            differing.replayed_listing -> fields.field_name
            is distinct from differing.published_listing -> fields.field_name
    end
