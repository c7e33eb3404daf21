{%- set fields = listing_fields().items() | list %}
{%- set numeric_types = ('numeric', 'integer', 'double precision') %}

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

rule_fields as (

    select distinct
        field_name,
        case when field_name like 'attributes.%' then substr(field_name, length('attributes.') + 1) end
            as attribute_name
    from rules

),

-- Only fields that a rule names, so that the work grows with the rules and not with the width of a listing.
field_values as (

    select
        listings.sync_id,
        listings.session_id,
        listings.property_id,
        rule_fields.field_name,
        case rule_fields.field_name
            when 'source_listing_id' then listings.source_listing_id
            {%- for field, data_type in fields if data_type == 'text[]' %}
            when '{{ field }}' then array_to_string(listings.{{ field }}, '|')
            {%- endfor %}
            {%- for field, data_type in fields if data_type not in numeric_types and data_type != 'text[]' %}
            when '{{ field }}' then listings.{{ field }}::text
            {%- endfor %}
            else listings.attributes ->> rule_fields.attribute_name
        end as text_value,
        case
            {%- for field, data_type in fields if data_type in numeric_types %}
            when rule_fields.field_name = '{{ field }}' then listings.{{ field }}::double precision
            {%- endfor %}
            {%- for field, data_type in fields if data_type == 'text[]' %}
            when rule_fields.field_name = '{{ field }}' then cardinality(listings.{{ field }})
            {%- endfor %}
            when jsonb_typeof(listings.attributes -> rule_fields.attribute_name) = 'number'
                then (listings.attributes ->> rule_fields.attribute_name)::double precision
        end as number_value
    from listings
    cross join rule_fields

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
