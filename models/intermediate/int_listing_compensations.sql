{{ config(materialized='view') }}

with

-- Nothing is materialized, so that the filter on a session reaches all inputs.
restored as not materialized (

    select * from {{ ref('int_listings_restored') }}

),

live as not materialized (

    select * from {{ ref('properties_live') }}

),

sessions as (

    select * from {{ ref('stg_sessions') }}

),

taken as (

    select * from {{ ref('stg_sync_sessions') }}

),

feed as (

    select * from {{ ref('property_changes') }}
    where is_published

),

-- The feed is found by sync, of which it has an index.
undone as not materialized (

    select feed.*
    from taken
    inner join feed
        on
            taken.sync_id = feed.sync_id
            and taken.session_id = feed.session_id

),

field_values as (

    select
        undone.property_id,
        undone.session_id,
        undone.source,
        undone.scope,
        'updated' as change_type,
        undone.field_name,
        undone.new_value as old_value,
        undone.old_value as new_value,
        undone.is_significant,
        undone.absolute_change is null as is_incomparable,
        'applied' as status,
        null::text as removal_reason,
        restored.observed_at,
        undone.sequence as undone_sequence
    from undone
    inner join restored
        on
            undone.session_id = restored.session_id
            and undone.property_id = restored.property_id
    where undone.change_type = 'updated'

),

spells as (

    select
        undone.property_id,
        undone.session_id,
        undone.source,
        undone.scope,
        'restored' as change_type,
        null::text as field_name,
        null::jsonb as old_value,
        {{ listing_as_json('restored') }}
        || jsonb_strip_nulls(
            jsonb_build_object(
                'listing_status', restored.listing_status,
                'spell_number', restored.spell_number,
                'spell_started_at', restored.spell_started_at,
                'removed_at', restored.removed_at
            )
        ) as new_value,
        true as is_significant,
        false as is_incomparable,
        'applied' as status,
        restored.removal_reason,
        restored.observed_at,
        undone.sequence as undone_sequence
    from undone
    inner join restored
        on
            undone.session_id = restored.session_id
            and undone.property_id = restored.property_id
    where undone.change_type in ('removed', 'reactivated')

),

appearances as (

    select
        undone.property_id,
        undone.session_id,
        undone.source,
        undone.scope,
        'retracted' as change_type,
        null::text as field_name,
        undone.new_value || jsonb_build_object('source_listing_id', live.source_listing_id) as old_value,
        null::jsonb as new_value,
        true as is_significant,
        false as is_incomparable,
        'applied' as status,
        null::text as removal_reason,
        undone.observed_at,
        undone.sequence as undone_sequence
    from undone
    inner join live on undone.property_id = live.property_id
    where undone.change_type in ('created', 'relisted')

),

held_prices as (

    select
        restored.property_id,
        restored.session_id,
        restored.source,
        sessions.scope,
        'held' as change_type,
        'price' as field_name,
        to_jsonb(restored.price) as old_value,
        to_jsonb(coalesce(restored.held_price, live.held_price)) as new_value,
        false as is_significant,
        {{ is_other_currency('coalesce(restored.held_currency, live.held_currency)', 'restored.currency') }}
            as is_incomparable,
        case when restored.held_price is null then 'dropped' else 'held' end as status,
        null::text as removal_reason,
        coalesce(restored.held_at, restored.observed_at) as observed_at,
        restored.undone_sequence
    from restored
    inner join sessions on restored.session_id = sessions.session_id
    inner join live on restored.property_id = live.property_id
    where restored.held_price is distinct from live.held_price

),

unioned as (

    select * from field_values
    union all
    select * from spells
    union all
    select * from appearances
    union all
    select * from held_prices

),

numbered as (

    select
        *,
        {{ json_number('old_value') }} as old_number,
        {{ json_number('new_value') }} as new_number
    from unioned

)

select
    property_id,
    md5(concat_ws('|', 'rollback', session_id, property_id, change_type, field_name))::uuid as change_id,
    session_id,
    source,
    scope,
    change_type,
    field_name,
    old_value,
    new_value,
    case when not is_incomparable then {{ absolute_change('old_number', 'new_number') }} end as absolute_change,
    case when not is_incomparable then {{ relative_change('old_number', 'new_number') }} end as relative_change,
    is_significant,
    1::double precision as confidence,
    {{ major_change_type('change_type', 'field_name', 'removal_reason') }} as major_change_type,
    status,
    'session ' || left(session_id::text, 8) || ' was rolled back' as reason,
    removal_reason,
    observed_at,
    undone_sequence
from numbered
