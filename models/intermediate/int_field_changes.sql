{{ config(post_hook="analyze {{ this }}") }}

with

changed as (

    select * from {{ ref('int_listings_changed') }}
    where change_type = 'updated'

),

-- Looked up by key for the listings that changed, never read as a whole.
published as not materialized (

    select * from {{ ref('stg_published_listings') }}

),

sessions as (

    select
        gated.session_id,
        {{ session_coverage('gated') }} as coverage
    from {{ ref('int_sessions_gated') }} as gated

),

tracked_fields as (

    select * from {{ ref('tracked_fields') }}

),

fields as (

    select
        changed.property_id,
        field.field_name,
        field.field_name as tracked_name,
        field.old_value,
        field.new_value
    from changed
    inner join published on changed.property_id = published.property_id
    cross join
        lateral (
            values
            {%- for field in listing_fields() %}
            {%- set old_value = comparable(field, 'published.' ~ field) %}
            {%- set new_value = comparable(field, 'changed.' ~ field) %}
            (
                '{{ field }}',
                {{ old_value }} is distinct from {{ new_value }},
                case when {{ old_value }} is distinct from {{ new_value }} then to_jsonb(published.{{ field }}) end,
                case when {{ old_value }} is distinct from {{ new_value }} then to_jsonb(changed.{{ field }}) end
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ) as field (field_name, is_changed, old_value, new_value)
    where field.is_changed

),

attributes as (

    select
        changed.property_id,
        'attributes.' || attribute.name as field_name,
        coalesce(tracked_fields.field_name, 'attributes.*') as tracked_name,
        published.attributes -> attribute.name as old_value,
        changed.attributes -> attribute.name as new_value
    from changed
    inner join published on changed.property_id = published.property_id
    cross join
        lateral (
            select names.name
            from jsonb_object_keys(published.attributes || changed.attributes) as names (name)
        ) as attribute
    left join tracked_fields on 'attributes.' || attribute.name = tracked_fields.field_name
    where
        published.attributes is distinct from changed.attributes
        and published.attributes -> attribute.name is distinct from changed.attributes -> attribute.name

),

differences as (

    select * from fields
    union all
    select * from attributes

),

-- Small steps add up: a change is measured from the last value that was significant, kept where it is not the last.
compared as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        differences.field_name,
        differences.old_value,
        differences.new_value,
        case
            when changed.significant_baseline ? differences.field_name
                then nullif(changed.significant_baseline -> differences.field_name, 'null')
            else differences.old_value
        end as significant_value,
        case
            when tracked_fields.comparison = 'distance'
                then
                    {{ metres_between(
                        "coalesce((changed.significant_baseline ->> 'latitude')::double precision, published.latitude)",
                        "coalesce((changed.significant_baseline ->> 'longitude')::double precision, published.longitude)",
                        'changed.latitude',
                        'changed.longitude'
                    ) }}
        end as metres,
        tracked_fields.comparison,
        tracked_fields.threshold,
        tracked_fields.reliability,
        differences.field_name = 'price' and changed.has_other_currency as is_incomparable,
        sessions.coverage,
        case when differences.field_name = 'price' and changed.price_verdict = 'confirmed' then 1 else 0 end
            as evidence,
        changed.observed_at
    from differences
    inner join changed on differences.property_id = changed.property_id
    inner join published on differences.property_id = published.property_id
    inner join sessions on changed.session_id = sessions.session_id
    inner join tracked_fields on differences.tracked_name = tracked_fields.field_name

),

measured as (

    select
        *,
        case
            when not is_incomparable
                then {{ change_size('comparison', 'significant_value', 'new_value', 'metres') }}
        end as significant_size,
        case when not is_incomparable then {{ change_size('comparison', 'old_value', 'new_value', 'metres') }} end
            as change_size
    from compared

)

select
    sync_id,
    session_id,
    property_id,
    source,
    scope,
    field_name,
    old_value,
    new_value,
    significant_value,
    significant_size,
    is_incomparable,
    {{ change_confidence(
        "'updated'",
        'reliability',
        change_magnitude('comparison', 'threshold', 'change_size', 'old_value', 'new_value'),
        'coverage',
        'evidence'
    ) }} as confidence,
    (new_value is distinct from significant_value)
    and {{ is_significant_change('comparison', 'threshold', 'significant_size') }} as is_significant,
    observed_at
from measured
