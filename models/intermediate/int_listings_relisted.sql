with

created as (

    select * from {{ ref('int_listings_compared') }}
    where outcome = 'created'

),

observed as (

    select * from {{ ref('int_listings_observed') }}

),

published as (

    select * from {{ ref('stg_published_listings') }}

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
        and published.removed_at > (select min(newcomers.observed_at) - interval '90 days' from newcomers)
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

newcomer_places as (

    select
        newcomers.property_id,
        newcomers.source,
        place.place_key
    from newcomers
    cross join unnest({{ place_keys('newcomers') }}) as place (place_key)

),

departed_places as (

    select
        departed.property_id,
        departed.source,
        place.place_key
    from departed
    cross join unnest({{ place_keys('departed') }}) as place (place_key)

),

neighbours as (

    select distinct
        newcomer_places.property_id,
        departed_places.property_id as departed_id
    from newcomer_places
    inner join departed_places
        on
            newcomer_places.source = departed_places.source
            and newcomer_places.place_key = departed_places.place_key

),

pairs as (

    select
        newcomers.property_id,
        departed.property_id as relisted_from,
        departed.source_listing_id as relisted_listing_id,
        departed.price as relisted_price,
        departed.earlier_days_on_market,
        departed.spell_started_at,
        departed.left_at,
        count(*) over (partition by newcomers.property_id) as homes_left,
        count(*) over (partition by departed.property_id) as homes_new
    from neighbours
    inner join newcomers on neighbours.property_id = newcomers.property_id
    inner join departed on neighbours.departed_id = departed.property_id
    where
        departed.left_at between newcomers.observed_at - interval '90 days' and newcomers.observed_at
        and departed.property_id not in (select continued.relisted_from from continued)
        and {{ is_same_home('newcomers', 'departed') }}

)

select
    property_id,
    relisted_from,
    relisted_listing_id,
    relisted_price,
    {{ days_on_market('earlier_days_on_market', 'spell_started_at', 'left_at') }} as earlier_days_on_market
from pairs
where homes_left = 1 and homes_new = 1
