{{ config(materialized='view') }}

with

changed as (

    select * from {{ ref('int_listings_changed') }}
    where change_type is not null

),

missing as (

    select * from {{ ref('int_listings_missing') }}
    where outcome <> 'suppressed'

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

appearances as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        changed.change_type,
        null::text as field_name,
        null::jsonb as old_value,
        {{ listing_as_json('changed') }} as new_value,
        null::text as reason,
        changed.observed_at
    from changed
    where changed.change_type in ('created', 'reactivated')

),

field_updates as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        changed.change_type,
        field_update.field_name,
        field_update.old_value,
        field_update.new_value,
        null::text as reason,
        changed.observed_at
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
        ) as field_update (field_name, is_changed, old_value, new_value)
    where changed.change_type = 'updated' and field_update.is_changed

),

attribute_updates as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        changed.change_type,
        'attributes.' || attribute.name as field_name,
        published.attributes -> attribute.name as old_value,
        changed.attributes -> attribute.name as new_value,
        null::text as reason,
        changed.observed_at
    from changed
    inner join published on changed.property_id = published.property_id
    cross join
        lateral (
            select names.name
            from jsonb_object_keys(published.attributes || changed.attributes) as names (name)
        ) as attribute
    where
        changed.change_type = 'updated'
        and published.attributes is distinct from changed.attributes
        and published.attributes -> attribute.name is distinct from changed.attributes -> attribute.name

),

absences as (

    select
        missing.sync_id,
        missing.session_id,
        missing.property_id,
        missing.source,
        missing.scope,
        case when missing.outcome = 'removed' then 'removed' else 'missing' end as change_type,
        null::text as field_name,
        null::jsonb as old_value,
        null::jsonb as new_value,
        case
            when missing.is_retired then 'scope retired'
            when missing.outcome = 'over_limit' then 'over the removal limit of the scope'
            else format('absent from %s complete sessions', missing.absences)
        end as reason,
        missing.observed_at
    from missing

)

select * from appearances
union all
select * from field_updates
union all
select * from attribute_updates
union all
select * from absences
