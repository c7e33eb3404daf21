-- Detects a tracked field that the seed completeness_weights forgot, and a weight of something that is no field.
-- A returned row is such a name.

with

weights as (

    select * from {{ ref('completeness_weights') }}

),

fields as (

    select field_name
    from
        (
            values
            {%- for field in listing_fields() %}
            ('{{ field }}'){{ ',' if not loop.last }}
            {%- endfor %}
        ) as listing_field (field_name)

)

select
    coalesce(weights.field_name, fields.field_name) as field_name,
    weights.weight
from weights
full outer join fields on weights.field_name = fields.field_name
where weights.weight is null or weights.weight < 0 or fields.field_name is null
