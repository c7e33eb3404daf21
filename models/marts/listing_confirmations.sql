with

live as (

    select
        property_id,
        source_listing_id,
        source
    from {{ ref('properties_live') }}
    where listing_status = 'active'

),

sightings as (

    select * from {{ ref('stg_listing_sightings') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

confirmed as (

    select
        live.property_id,
        live.source_listing_id,
        live.source,
        last_sighting.observed_at as last_confirmed_at
    from live
    cross join
        lateral (
            select max(sightings.observed_at) as observed_at
            from sightings
            where sightings.property_id = live.property_id
        ) as last_sighting

)

select
    confirmed.property_id,
    confirmed.source_listing_id,

    confirmed.source,

    sources.freshness_hours,

    extract(epoch from now() - confirmed.last_confirmed_at) / 3600 > sources.freshness_hours as is_stale,

    confirmed.last_confirmed_at
from confirmed
inner join sources on confirmed.source = sources.source
