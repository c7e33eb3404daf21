{{ config(pre_hook="set local work_mem = '64MB'") }}

with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

listings as not materialized (

    select * from {{ ref('int_listings_observed') }}

),

violations as (

    select * from {{ ref('int_rule_violations') }}

),

published as not materialized (

    select * from {{ ref('stg_published_listings') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

geography as (

    select * from {{ ref('int_session_geography') }}

),

weights as (

    select * from {{ ref('completeness_weights') }}

),

-- Few listings differ in the fields they carry, so counting per combination spares a look into the array per field.
-- PostgreSQL expects many combinations: with less memory it would sort all listings on disk instead of hashing a few.
combinations as (

    select
        session_id,
        observed_fields,
        unreadable_fields,
        {%- for field in listing_fields() %}
        count({{ field }}) as {{ field }},
        {%- endfor %}
        count(*) as listing_count,
        min(observed_at) as first_observed_at
    from listings
    group by session_id, observed_fields, unreadable_fields

),

volumes as (

    select
        session_id,
        sum(listing_count)::bigint as observed_count,
        min(first_observed_at) as first_observed_at
    from combinations
    group by session_id

),

fields as (

    select
        combinations.session_id,
        field_count.field_name,
        sum(field_count.filled_count)::double precision / sum(combinations.listing_count) as fill_rate,
        sum(field_count.filled_count) as filled_count,
        sum(combinations.listing_count) as carried_count
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
        jsonb_object_agg(field_name, carried_count) as carried_counts,
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

),

known_ids as (

    select
        listings.session_id,
        count(*) filter (where published.property_id is null)::double precision / count(*) as new_share
    from listings
    left join published on listings.property_id = published.property_id
    group by listings.session_id

),

-- Looking for what was not seen reads the live table, so only sessions with too many new ids are asked.
suspects as (

    select
        sessions.session_id,
        sessions.source,
        sessions.scope
    from sessions
    inner join known_ids on sessions.session_id = known_ids.session_id
    where known_ids.new_share > sessions.max_id_turnover

),

unseen as (

    select
        suspects.session_id,
        count(*) as active_count,
        count(*) filter (where listings.property_id is null)::double precision / count(*) as absent_share
    from suspects
    inner join published
        on
            suspects.source = published.source
            and suspects.scope = any(published.scopes)
            and published.listing_status = 'active'
    left join listings
        on
            published.property_id = listings.property_id
            and suspects.session_id = listings.session_id
    group by suspects.session_id

),

weighted as (

    select
        fields.session_id,
        sum(weights.weight * fields.filled_count)
        / nullif(sum(weights.weight * fields.carried_count), 0) as weighted_completeness
    from fields
    inner join weights on fields.field_name = weights.field_name
    group by fields.session_id

),

broken_rules as (

    select
        session_id,
        rule_name,
        field_name,
        severity,
        rule_version,
        count(*) as listing_count
    from violations
    group by session_id, rule_name, field_name, severity, rule_version

),

broken_by_rule as (

    select
        session_id,
        jsonb_agg(
            jsonb_build_object(
                'rule_name', rule_name,
                'field_name', field_name,
                'severity', severity,
                'rule_version', rule_version,
                'listings', listing_count
            )
            order by listing_count desc, rule_name asc, rule_version asc
        ) as violations_by_rule
    from broken_rules
    group by session_id

),

-- A listing counts once, by the worst rule it breaks.
worst_by_listing as (

    select
        session_id,
        property_id,
        bool_or(severity = 'error') as has_error,
        bool_or(severity = 'warning') as has_warning
    from violations
    group by session_id, property_id

),

worst as (

    select
        session_id,
        count(*) filter (where has_warning and not has_error) as warned_count,
        count(*) filter (where not has_warning and not has_error) as noted_count
    from worst_by_listing
    group by session_id

)

select
    sessions.session_id,
    sessions.sync_id,

    filled.fill_rates,
    coalesce(filled.carried_counts, '{}') as carried_counts,
    coalesce(unreadable.unreadable_counts, '{}') as unreadable_counts,

    coalesce(volumes.observed_count, 0) as observed_count,
    filled.completeness,
    sessions.duplicates_collapsed::double precision / nullif(sessions.rows_landed, 0) as duplicate_rate,
    (coalesce(broken.rejected_count, 0) + sessions.rows_rejected)::double precision
    / nullif(coalesce(volumes.observed_count, 0) + sessions.rows_rejected, 0) as error_rate,
    coalesce(broken.error_violations, 0) as error_violations,
    coalesce(broken.warning_violations, 0) as warning_violations,
    coalesce(broken.info_violations, 0) as info_violations,
    known_ids.new_share,
    unseen.absent_share,
    unseen.active_count,
    weighted.weighted_completeness,
    coalesce(broken.rejected_count, 0) as rejected_count,
    coalesce(worst.warned_count, 0) as warned_count,
    coalesce(worst.noted_count, 0) as noted_count,
    sources.freshness_hours as freshness_limit_hours,
    coalesce(broken_by_rule.violations_by_rule, '[]') as violations_by_rule,
    to_jsonb(geography) - 'session_id' as geography,

    volumes.first_observed_at
from sessions
left join volumes on sessions.session_id = volumes.session_id
left join filled on sessions.session_id = filled.session_id
left join unreadable on sessions.session_id = unreadable.session_id
left join broken on sessions.session_id = broken.session_id
left join known_ids on sessions.session_id = known_ids.session_id
left join unseen on sessions.session_id = unseen.session_id
left join weighted on sessions.session_id = weighted.session_id
left join broken_by_rule on sessions.session_id = broken_by_rule.session_id
left join worst on sessions.session_id = worst.session_id
left join sources on sessions.source = sources.source
left join geography on sessions.session_id = geography.session_id
