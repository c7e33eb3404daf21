with

listings as (

    select * from {{ ref('int_listings_observed') }}

),

rules as (

    select * from {{ ref('stg_validation_rules') }}
    where is_enabled

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

attribute_rules as (

    select distinct
        field_name,
        substr(field_name, length('attributes.') + 1) as attribute_name
    from rules
    where field_name like 'attributes.%'

),

field_values as (

    select
        listings.sync_id,
        listings.session_id,
        listings.property_id,
        field_value.field_name,
        field_value.text_value,
        field_value.number_value
    from listings
    cross join
        lateral (
            values
            ('source_listing_id', listings.source_listing_id, null::double precision),
            {%- for field, data_type in listing_fields().items() %}
            (
                '{{ field }}',
                {%- if data_type in ('numeric', 'integer', 'double precision') %}
                null, listings.{{ field }}::double precision
                {%- elif data_type == 'text[]' %}
                array_to_string(listings.{{ field }}, '|'), cardinality(listings.{{ field }})
                {%- else %}
                listings.{{ field }}::text, null
                {%- endif %}
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ) as field_value (field_name, text_value, number_value)
    where field_value.field_name in (select rules.field_name from rules)

    union all

    select
        listings.sync_id,
        listings.session_id,
        listings.property_id,
        attribute_rules.field_name,
        listings.attributes ->> attribute_rules.attribute_name as text_value,
        case
            when jsonb_typeof(listings.attributes -> attribute_rules.attribute_name) = 'number'
                then (listings.attributes ->> attribute_rules.attribute_name)::double precision
        end as number_value
    from listings
    cross join attribute_rules

),

evaluated as (

    select
        field_values.sync_id,
        field_values.session_id,
        field_values.property_id,
        rules.rule_name,
        rules.field_name,
        rules.rule_type,
        rules.severity,
        rules.rule_version,
        coalesce(field_values.text_value, field_values.number_value::text) as found_value
    from field_values
    inner join rules on field_values.field_name = rules.field_name
    where {{ breaks_rule('rules', 'field_values') }}

),

-- A required field that this observation could not carry is not missing when an earlier one carried it.
known_before as (

    select
        evaluated.session_id,
        evaluated.property_id,
        evaluated.rule_name
    from evaluated
    inner join listings
        on
            evaluated.session_id = listings.session_id
            and evaluated.property_id = listings.property_id
    inner join published on evaluated.property_id = published.property_id
    where
        evaluated.rule_type = 'required'
        and evaluated.field_name <> all(listings.observed_fields)
        and coalesce(
            to_jsonb(published) ->> evaluated.field_name,
            published.attributes ->> substr(evaluated.field_name, length('attributes.') + 1)
        ) is not null

)

select
    evaluated.sync_id,
    evaluated.session_id,
    evaluated.property_id,
    evaluated.rule_name,
    evaluated.field_name,
    evaluated.severity,
    evaluated.found_value,
    evaluated.rule_version
from evaluated
left join known_before
    on
        evaluated.session_id = known_before.session_id
        and evaluated.property_id = known_before.property_id
        and evaluated.rule_name = known_before.rule_name
where known_before.rule_name is null
