{%- set cell_degrees = 0.005 %}
{%- set cells_per_area = 10 %}
{%- set row_no = 'floor(listings.latitude / ' ~ cell_degrees ~ ')::integer' %}
{%- set column_no = 'floor(listings.longitude / ' ~ cell_degrees ~ ')::integer' %}

with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

listings as (

    select
        session_id,
        property_id,
        source_listing_id,
        title,
        city,
        latitude,
        longitude
    from {{ ref('int_listings_observed') }}

),

all_sessions as (

    select * from {{ ref('stg_sessions') }}

),

cities as (

    select
        session_id,
        city,
        avg(latitude) filter (where longitude is not null) as latitude,
        avg(longitude) filter (where latitude is not null) as longitude,
        count(*) as listing_count
    from listings
    group by session_id, city

),

-- One pass over the listings; medians, distances and the map are computed from these.
cells as (

    select
        listings.session_id,
        {{ row_no }} as row_no,
        {{ column_no }} as column_no,
        avg(listings.latitude) as latitude,
        avg(listings.longitude) as longitude,
        count(*) as listing_count
    from listings
    where listings.latitude is not null and listings.longitude is not null
    group by listings.session_id, {{ row_no }}, {{ column_no }}

),

ranked_cities as (

    select
        session_id,
        city,
        latitude,
        longitude,
        listing_count,
        row_number() over (partition by session_id order by listing_count desc, city asc) as size_rank
    from cities
    where city is not null

),

city_figures as (

    select
        session_id,
        count(*) as city_count,
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'city', left(city, 80),
                    'listings', listing_count,
                    'latitude', round(latitude::numeric, 4),
                    'longitude', round(longitude::numeric, 4)
                )
                order by size_rank
            ) filter (where size_rank <= 20),
            '[]'
        ) as cities,
        coalesce(sum(listing_count) filter (where size_rank > 20), 0)::bigint as other_cities_count,
        sum(listing_count)::bigint as with_city_count,
        {{ evenness('listing_count') }} as city_diversity,
        {{ effective_places('listing_count') }} as effective_cities
    from ranked_cities
    group by session_id

),

areas as (

    select
        session_id,
        sum(listing_count) as listing_count
    from cells
    group by
        session_id,
        floor(row_no / {{ cells_per_area }}.0),
        floor(column_no / {{ cells_per_area }}.0)

),

area_figures as (

    select
        session_id,
        count(*) as cell_count,
        sum(listing_count)::bigint as located_count,
        {{ evenness('listing_count') }} as cell_diversity,
        {{ effective_places('listing_count') }} as effective_cells
    from areas
    group by session_id

),

running_counts as (

    select
        session_id,
        latitude,
        longitude,
        sum(listing_count) over (partition by session_id order by latitude, row_no, column_no) as up_to_latitude,
        sum(listing_count) over (partition by session_id order by longitude, row_no, column_no) as up_to_longitude,
        sum(listing_count) over (partition by session_id) as located_count
    from cells

),

-- Where the listings of this session alone would lie.
own_centres as (

    select
        session_id,
        min(latitude) filter (where up_to_latitude * 2 >= located_count) as latitude,
        min(longitude) filter (where up_to_longitude * 2 >= located_count) as longitude
    from running_counts
    group by session_id

),

own_distances as (

    select
        cells.*,
        {{ metres_between('cells.latitude', 'cells.longitude', 'own_centres.latitude', 'own_centres.longitude') }}
        / 1000 as distance
    from cells
    inner join own_centres on cells.session_id = own_centres.session_id

),

running_distances as (

    select
        session_id,
        distance,
        sum(listing_count) over (partition by session_id order by distance, row_no, column_no) as up_to_distance,
        sum(listing_count) over (partition by session_id) as located_count
    from own_distances

),

-- Nine listings in ten lie within the reach.
own_reaches as (

    select
        session_id,
        located_count,
        min(distance) filter (where up_to_distance >= 0.9 * located_count) as reach_km
    from running_distances
    group by session_id, located_count

),

past_sessions as (

    select
        sessions.session_id,
        (all_sessions.verdict #>> '{geography,effective_cells}')::double precision as effective_cells,
        (all_sessions.verdict #>> '{geography,centre_latitude}')::double precision as centre_latitude,
        (all_sessions.verdict #>> '{geography,centre_longitude}')::double precision as centre_longitude,
        (all_sessions.verdict #>> '{geography,reach_km}')::double precision as reach_km,
        row_number() over (
            partition by sessions.session_id
            order by all_sessions.observed_at desc, all_sessions.session_id desc
        ) as recency
    from sessions
    inner join all_sessions
        on
            sessions.source = all_sessions.source
            and sessions.scope = all_sessions.scope
            and sessions.observed_at > all_sessions.observed_at
    where
        all_sessions.may_remove
        and all_sessions.session_status in ('published', 'complete')
        and all_sessions.session_kind is distinct from 'retirement'

),

usual as (

    select
        session_id,
        percentile_cont(0.5) within group (order by effective_cells) as usual_effective_cells,
        percentile_cont(0.5) within group (order by centre_latitude) as centre_latitude,
        percentile_cont(0.5) within group (order by centre_longitude) as centre_longitude,
        percentile_cont(0.5) within group (order by reach_km) as reach_km
    from past_sessions
    where recency <= 5
    group by session_id

),

-- Many misplaced listings would stretch their own reach until none is far: what was usual decides, where it is known.
centres as (

    select
        own_centres.session_id,
        case when usual.reach_km is null then own_centres.latitude else usual.centre_latitude end as latitude,
        case when usual.reach_km is null then own_centres.longitude else usual.centre_longitude end as longitude,
        coalesce(usual.reach_km, own_reaches.reach_km) as reach_km,
        own_reaches.located_count
    from own_centres
    inner join own_reaches on own_centres.session_id = own_reaches.session_id
    left join usual on own_centres.session_id = usual.session_id

),

distances as (

    select
        cells.*,
        {{ metres_between('cells.latitude', 'cells.longitude', 'centres.latitude', 'centres.longitude') }}
        / 1000 as distance
    from cells
    inner join centres on cells.session_id = centres.session_id

),

-- Of fewer than ten none can be called far from the rest.
limits as (

    select
        session_id,
        case when located_count >= 10 then greatest(50, 3 * reach_km) end as outlier_limit_km
    from centres

),

judged_cells as (

    select
        distances.*,
        limits.outlier_limit_km,
        coalesce(distances.distance > limits.outlier_limit_km, false) as is_outlier
    from distances
    inner join limits on distances.session_id = limits.session_id

),

outlying_listings as (

    select
        judged_cells.session_id,
        listings.source_listing_id,
        listings.title,
        listings.city,
        listings.latitude,
        listings.longitude,
        judged_cells.distance,
        case
            when abs(listings.latitude) < 1 and abs(listings.longitude) < 1 then 'zero'
            when
                {{ metres_between('swapped.latitude', 'swapped.longitude', 'centres.latitude', 'centres.longitude') }}
                <= 1000 * judged_cells.outlier_limit_km
                then 'swapped'
            when
                {{ metres_between('mirrored.latitude', 'mirrored.longitude', 'centres.latitude', 'centres.longitude') }}
                <= 1000 * judged_cells.outlier_limit_km
                then 'sign'
            else 'far'
        end as likely_cause,
        row_number() over (
            partition by judged_cells.session_id
            order by judged_cells.distance desc, listings.property_id asc
        ) as distance_rank
    from judged_cells
    inner join centres on judged_cells.session_id = centres.session_id
    inner join listings
        on
            judged_cells.session_id = listings.session_id
            and judged_cells.row_no = {{ row_no }}
            and judged_cells.column_no = {{ column_no }}
    cross join lateral (values (listings.longitude, listings.latitude)) as swapped (latitude, longitude)
    cross join
        lateral (
            values
            (abs(listings.latitude) * sign(centres.latitude), abs(listings.longitude) * sign(centres.longitude))
        ) as mirrored (latitude, longitude)
    where judged_cells.is_outlier

),

outlier_figures as (

    select
        session_id,
        count(*) as outlier_count,
        count(*) filter (where likely_cause <> 'far') as misplaced_count,
        jsonb_agg(
            jsonb_build_object(
                'source_listing_id', left(source_listing_id, 80),
                'title', left(title, 80),
                'city', left(city, 80),
                'latitude', round(latitude::numeric, 5),
                'longitude', round(longitude::numeric, 5),
                'distance_km', round(distance::numeric),
                'likely_cause', likely_cause
            )
            order by distance_rank
        ) filter (where distance_rank <= 5) as outliers
    from outlying_listings
    group by session_id

),

-- What the next sessions take for usual: a session with many misplaced listings stands for what was usual before it.
lasting_reaches as (

    select
        own_centres.session_id,
        case when verdict.are_many_misplaced then centres.latitude else own_centres.latitude end as latitude,
        case when verdict.are_many_misplaced then centres.longitude else own_centres.longitude end as longitude,
        case when verdict.are_many_misplaced then centres.reach_km else own_reaches.reach_km end as reach_km
    from own_centres
    inner join own_reaches on own_centres.session_id = own_reaches.session_id
    inner join centres on own_centres.session_id = centres.session_id
    left join outlier_figures on own_centres.session_id = outlier_figures.session_id
    cross join
        lateral (
            values (coalesce(outlier_figures.misplaced_count, 0) > 0.1 * own_reaches.located_count)
        ) as verdict (are_many_misplaced)
    where own_reaches.located_count >= 10

),

frames as (

    select
        session_id,
        round(min(latitude)::numeric, 4) as south,
        round(max(latitude)::numeric, 4) as north,
        round(min(longitude)::numeric, 4) as west,
        round(max(longitude)::numeric, 4) as east
    from judged_cells
    where not is_outlier
    group by session_id

),

-- The finest step that keeps the map within 80 cells each way, in multiples of a cell.
map_steps as (

    select
        frames.session_id,
        min(step.step) as step
    from frames
    cross join (values (1), (2), (4), (10), (20), (40), (100), (200), (400), (1000), (2000)) as step (step)
    where greatest(frames.north - frames.south, frames.east - frames.west) <= step.step * {{ cell_degrees }} * 80
    group by frames.session_id

),

map_cells as (

    select
        judged_cells.session_id,
        sum(judged_cells.latitude * judged_cells.listing_count) / sum(judged_cells.listing_count) as latitude,
        sum(judged_cells.longitude * judged_cells.listing_count) / sum(judged_cells.listing_count) as longitude,
        sum(judged_cells.listing_count) as listing_count
    from judged_cells
    inner join map_steps on judged_cells.session_id = map_steps.session_id
    where not judged_cells.is_outlier
    group by
        judged_cells.session_id,
        floor(judged_cells.row_no::double precision / map_steps.step),
        floor(judged_cells.column_no::double precision / map_steps.step)

),

map_points as (

    select
        session_id,
        jsonb_agg(
            jsonb_build_array(round(latitude::numeric, 4), round(longitude::numeric, 4), listing_count)
            order by listing_count desc, latitude asc, longitude asc
        ) as points
    from map_cells
    group by session_id

)

select
    sessions.session_id,

    coalesce(city_figures.cities, '[]') as cities,
    coalesce(outlier_figures.outliers, '[]') as outliers,
    to_jsonb(frames) - 'session_id' as frame,
    coalesce(map_points.points, '[]') as map_points,

    coalesce(city_figures.city_count, 0) as city_count,
    coalesce(city_figures.with_city_count, 0) as with_city_count,
    coalesce(city_figures.other_cities_count, 0) as other_cities_count,
    round(city_figures.city_diversity::numeric, 4)::double precision as city_diversity,
    round(city_figures.effective_cities::numeric, 2)::double precision as effective_cities,
    coalesce(area_figures.cell_count, 0) as cell_count,
    coalesce(area_figures.located_count, 0) as located_count,
    round(area_figures.cell_diversity::numeric, 4)::double precision as cell_diversity,
    round(area_figures.effective_cells::numeric, 2)::double precision as effective_cells,
    usual.usual_effective_cells,
    coalesce(outlier_figures.outlier_count, 0) as outlier_count,
    round(limits.outlier_limit_km::numeric) as outlier_limit_km,
    round(lasting_reaches.latitude::numeric, 4)::double precision as centre_latitude,
    round(lasting_reaches.longitude::numeric, 4)::double precision as centre_longitude,
    round(lasting_reaches.reach_km::numeric, 3)::double precision as reach_km
from sessions
left join city_figures on sessions.session_id = city_figures.session_id
left join area_figures on sessions.session_id = area_figures.session_id
left join outlier_figures on sessions.session_id = outlier_figures.session_id
left join limits on sessions.session_id = limits.session_id
left join frames on sessions.session_id = frames.session_id
left join map_points on sessions.session_id = map_points.session_id
left join usual on sessions.session_id = usual.session_id
left join lasting_reaches on sessions.session_id = lasting_reaches.session_id
