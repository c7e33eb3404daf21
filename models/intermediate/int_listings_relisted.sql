{#- In hours, since days differ where clocks change. -#}
{%- set ninety_days = "interval '2160 hours'" -%}
{%- set home_columns = [
    'street_address', 'city', 'latitude', 'longitude', 'area_m2', 'price', 'currency', 'property_type', 'offer_type',
    'rooms', 'bedrooms', 'floor', 'year_built',
] -%}

with

created as (

    select * from {{ ref('int_listings_compared') }}
    where outcome = 'created'

),

observed as (

    select
        session_id,
        property_id,
        source,
        observed_at,
        {{ home_columns | join(',\n        ') }}
    from {{ ref('int_listings_observed') }}

),

-- Asked by key, by status and by what it continues, never read as a whole.
published as not materialized (

    select
        property_id,
        source,
        source_listing_id,
        listing_status,
        relisted_from,
        earlier_days_on_market,
        spell_started_at,
        removed_at,
        {{ home_columns | join(',\n        ') }}
    from {{ ref('stg_published_listings') }}

),

missing as (

    select * from {{ ref('int_listings_missing') }}
    where outcome = 'removed'

),

newcomers as (

    select observed.*
    from created
    inner join observed
        on
            created.session_id = observed.session_id
            and created.property_id = observed.property_id

),

departed as (

    select
        published.*,
        published.removed_at as left_at
    from published
    where
        published.listing_status = 'removed'
        and published.source in (select newcomers.source from newcomers)
        and published.removed_at >= (select min(newcomers.observed_at) - {{ ninety_days }} from newcomers)
    union all
    select
        published.*,
        missing.observed_at as left_at
    from missing
    inner join published on missing.property_id = published.property_id

),

continued as (

    select relisted_from from published
    where relisted_from is not null

),

-- Places are listed before they are compared: every newcomer beside every home that left would take minutes.
newcomer_places as materialized (

    select
        newcomers.*,
        place.place_key
    from newcomers
    cross join unnest({{ place_keys('newcomers') }}) as place (place_key)

),

departed_places as materialized (

    select
        departed.*,
        place.place_key
    from departed
    cross join unnest({{ place_keys('departed') }}) as place (place_key)
    where departed.property_id not in (select continued.relisted_from from continued)

),

same_homes as (

    select distinct
        newcomer_places.property_id,
        departed_places.property_id as relisted_from,
        departed_places.source_listing_id as relisted_listing_id,
        departed_places.price as relisted_price,
        departed_places.earlier_days_on_market,
        departed_places.spell_started_at,
        departed_places.left_at
    from newcomer_places
    inner join departed_places
        on
            newcomer_places.source = departed_places.source
            and newcomer_places.place_key = departed_places.place_key
    where
        departed_places.left_at
        between newcomer_places.observed_at - {{ ninety_days }} and newcomer_places.observed_at
        and {{ is_same_home('newcomer_places', 'departed_places') }}

),

pairs as (

    select
        *,
        count(*) over (partition by property_id) as homes_left,
        count(*) over (partition by relisted_from) as homes_new
    from same_homes

)

select
    property_id,
    relisted_from,
    relisted_listing_id,
    relisted_price,
    {{ days_on_market('earlier_days_on_market', 'spell_started_at', 'left_at') }} as earlier_days_on_market
from pairs
where homes_left = 1 and homes_new = 1
