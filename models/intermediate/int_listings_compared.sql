{{ config(post_hook="analyze {{ this }}") }}

with

listings as not materialized (

    select
        sync_id,
        session_id,
        property_id,
        source,
        scope,
        evidence,
        is_read,
        row_hash,
        observed_fields,
        attributes,
        observed_at
    from {{ ref('int_listings_observed') }}

),

sessions as (

    select * from {{ ref('int_sessions_gated') }}

),

violations as (

    select * from {{ ref('int_rule_violations') }}
    union all
    select * from {{ ref('int_frozen_violations') }}

),

sightings as (

    select * from {{ ref('stg_listing_sightings') }}

),

published as not materialized (

    select
        property_id,
        listing_status,
        row_hash,
        scopes,
        quality_flags,
        held_price
    from {{ ref('stg_published_listings') }}

),

-- Rules that flag a listing, with all fields that they look at.
rules as (

    select
        rule_name,
        severity,
        array_remove(
            array[field_name, other_field]
            || with_fields
            || case when rule_type = 'geo_bounds' then array['latitude', 'longitude'] end,
            null
        ) as field_names
    from {{ ref('stg_validation_rules') }}
    where is_enabled and severity <> 'error'

),

-- A flag stays as long as a field that its rule looks at stays as it was.
kept_flags as (

    select
        listings.session_id,
        listings.property_id,
        rules.rule_name,
        rules.severity
    from listings
    inner join published on listings.property_id = published.property_id
    inner join sessions on listings.session_id = sessions.session_id
    inner join rules on rules.rule_name = any(published.quality_flags)
    cross join unnest(rules.field_names) as field (name)
    where
        published.quality_flags <> '{}'
        and (
            field.name = any(sessions.frozen_fields)
            or {{ field_is_unseen('listings', 'field.name') }}
        )

),

findings as (

    select
        session_id,
        property_id,
        rule_name,
        severity
    from violations
    union
    select * from kept_flags

),

flags as (

    select
        session_id,
        property_id,
        bool_or(severity = 'error') as is_rejected,
        array_agg(rule_name order by rule_name) filter (where severity <> 'error') as quality_flags
    from findings
    group by session_id, property_id

),

judged as (

    select
        listings.*,
        sessions.may_publish,
        coalesce(flags.is_rejected, false) as is_rejected,
        coalesce(flags.quality_flags, '{}') as quality_flags,
        sessions.is_late and exists (
            select 1
            from sightings
            where
                sightings.property_id = listings.property_id
                and sightings.observed_at > listings.observed_at
        ) as is_stale
    from listings
    inner join sessions on listings.session_id = sessions.session_id
    left join flags
        on
            listings.session_id = flags.session_id
            and listings.property_id = flags.property_id

)

select
    judged.sync_id,
    judged.session_id,
    judged.property_id,
    judged.source,
    judged.scope,
    {{ compared_outcome('judged', 'published') }} as outcome,
    judged.evidence,
    judged.is_read,
    judged.quality_flags,
    judged.observed_at
from judged
left join published on judged.property_id = published.property_id
