{{ config(materialized='view') }}

{%- set columns_with_version = replaced_columns()
    | reject('in', ['version', 'scopes', 'quality_flags', 'held_price', 'held_currency', 'held_at']) | list %}

with

replaced as (

    select * from {{ ref('stg_replaced_listings') }}

),

replaced_later as (

    select * from {{ ref('stg_replaced_listings') }}

),

sessions as (

    select * from {{ ref('stg_sessions') }}

),

other_sessions as (

    select * from {{ ref('stg_sessions') }}
    where may_publish

),

sightings as (

    select * from {{ ref('stg_listing_sightings') }}

),

changes as (

    select * from {{ ref('property_changes') }}
    where is_published and change_type <> 'missing'

),

live as (

    select * from {{ ref('properties_live') }}

),

versions as (

    select * from {{ ref('properties_history') }}

),

-- Looked up listing by listing: a rollback asks for one session of a feed that is long.
judged as (

    select
        replaced.*,
        sessions.scope,
        coalesce(own_changes.is_versioned, false) as is_versioned,
        own_changes.last_sequence as undone_sequence,
        exists(
            select 1
            from replaced_later
            where
                replaced_later.property_id = replaced.property_id
                and replaced_later.sync_version > replaced.sync_version
        ) as is_touched_since,
        exists(
            select 1
            from sightings
            inner join other_sessions on sightings.session_id = other_sessions.session_id
            where
                sightings.property_id = replaced.property_id
                and other_sessions.scope = sessions.scope
                and other_sessions.published_at > sessions.published_at
        ) as is_confirmed_since
    from replaced
    inner join sessions on replaced.session_id = sessions.session_id
    cross join
        lateral (
            select
                bool_or(changes.change_type <> 'held') as is_versioned,
                max(changes.sequence) as last_sequence
            from changes
            where changes.property_id = replaced.property_id and changes.session_id = replaced.session_id
        ) as own_changes

),

-- The version that comes back stands in the history; where no version was made, it is the present one.
restored as (

    select
        judged.session_id,
        judged.is_versioned,
        judged.undone_sequence,
        versions.property_id,
        versions.source_listing_id,
        versions.source,
        versions.listing_status,
        {%- for field in listing_fields() %}
        versions.{{ field }},
        {%- endfor %}
        versions.attributes,
        live.version + judged.is_versioned::integer as version,
        versions.spell_number,
        versions.relisted_from,
        versions.removal_reason,
        versions.standard_status,
        versions.first_seen_at,
        versions.spell_started_at,
        versions.removed_at,
        versions.observed_at,
        versions.last_session_id,
        judged.scopes
        || (
            select coalesce(array_agg(since.scope order by since.position), '{}')
            from unnest(live.scopes) with ordinality as since (scope, position)
            where
                since.scope <> all(judged.scopes)
                and (since.scope <> judged.scope or judged.is_confirmed_since)
        ) as scopes,
        case when judged.is_touched_since then live.quality_flags else judged.quality_flags end as quality_flags,
        case when judged.undone_sequence is not null then judged.held_price else live.held_price end as held_price,
        case when judged.undone_sequence is not null then judged.held_currency else live.held_currency end
            as held_currency,
        case when judged.undone_sequence is not null then judged.held_at else live.held_at end as held_at,
        {%- for column in columns_with_version %}
        case when judged.is_versioned then judged.{{ column }} else live.{{ column }} end as {{ column }},
        {%- endfor %}
        {{ listing_hash('versions') }} as row_hash
    from judged
    inner join live on judged.property_id = live.property_id
    inner join versions
        on
            judged.property_id = versions.property_id
            and versions.version = case when judged.is_versioned then judged.version else live.version end

)

select
    *,
    {{ price_cut('price', 'original_price') }} as cumulative_price_cut,
    {{ search_vector() }} as search_vector,
    true as is_published
from restored
