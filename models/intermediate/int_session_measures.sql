with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

listings as (

    select * from {{ ref('int_listings_observed') }}

),

violations as (

    select * from {{ ref('int_rule_violations') }}

),

-- Few listings differ in the fields they carry, so counting per combination spares a look into the array per field.
combinations as (

    select
        session_id,
        observed_fields,
        unreadable_fields,
        {%- for field in listing_fields() %}
        count({{ field }}) as {{ field }},
        {%- endfor %}
        count(*) as listing_count
    from listings
    group by session_id, observed_fields, unreadable_fields

),

volumes as (

    select
        session_id,
        sum(listing_count)::bigint as observed_count
    from combinations
    group by session_id

),

fields as (

    select
        combinations.session_id,
        field_count.field_name,
        sum(field_count.filled_count)::double precision / sum(combinations.listing_count) as fill_rate
    from combinations
    cross join
        lateral (
            values
            {%- for field in listing_fields() %}
            ('{{ field }}', combinations.{{ field }}){{ ',' if not loop.last }}
            {%- endfor %}
        ) as field_count (field_name, filled_count)
    where field_count.field_name = any(combinations.observed_fields || combinations.unreadable_fields)
    group by combinations.session_id, field_count.field_name

),

filled as (

    select
        session_id,
        jsonb_object_agg(field_name, round(fill_rate::numeric, 4)) as fill_rates,
        avg(fill_rate) filter (where field_name = any({{ core_fields() }})) as completeness
    from fields
    group by session_id

),

unreadable_texts as (

    select
        listings.session_id,
        unreadable.field_name,
        count(*) as text_count
    from listings
    cross join unnest(listings.unreadable_fields) as unreadable (field_name)
    group by listings.session_id, unreadable.field_name

),

unreadable as (

    select
        session_id,
        jsonb_object_agg(field_name, text_count) as unreadable_counts
    from unreadable_texts
    group by session_id

),

broken as (

    select
        session_id,
        count(*) filter (where severity = 'error') as error_violations,
        count(*) filter (where severity = 'warning') as warning_violations,
        count(*) filter (where severity = 'info') as info_violations,
        count(distinct property_id) filter (where severity = 'error') as rejected_count
    from violations
    group by session_id

)

select
    sessions.session_id,
    sessions.sync_id,

    filled.fill_rates,
    coalesce(unreadable.unreadable_counts, '{}') as unreadable_counts,

    coalesce(volumes.observed_count, 0) as observed_count,
    filled.completeness,
    sessions.duplicates_collapsed::double precision / nullif(sessions.rows_landed, 0) as duplicate_rate,
    (coalesce(broken.rejected_count, 0) + sessions.rows_rejected)::double precision
    / nullif(coalesce(volumes.observed_count, 0) + sessions.rows_rejected, 0) as error_rate,
    coalesce(broken.error_violations, 0) as error_violations,
    coalesce(broken.warning_violations, 0) as warning_violations,
    coalesce(broken.info_violations, 0) as info_violations
from sessions
left join volumes on sessions.session_id = volumes.session_id
left join filled on sessions.session_id = filled.session_id
left join unreadable on sessions.session_id = unreadable.session_id
left join broken on sessions.session_id = broken.session_id
