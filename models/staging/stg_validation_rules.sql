{#- A table, so that one run applies one state of the rules, whatever is written meanwhile. -#}
{{ config(materialized='table', unlogged=true) }}
-- depends_on: {{ ref('default_validation_rules') }}
with

rules as (

    select * from {{ source('property_manager', 'validation_rules') }}

)

select
    rule_name,

    field_name,
    rule_type,
    severity,
    rule_config ->> 'pattern' as pattern,
    rule_config ->> 'type' as expected_type,
    rule_config ->> 'operator' as operator,
    rule_config ->> 'field' as other_field,

    rule_version,
    {{ rule_number('min') }} as min_value,
    {{ rule_number('max') }} as max_value,
    least({{ rule_number('max_age_hours') }}, {{ rule_number('max_age_days') }} * 24) as max_age_hours,
    {{ rule_number('min_latitude') }} as min_latitude,
    {{ rule_number('max_latitude') }} as max_latitude,
    {{ rule_number('min_longitude') }} as min_longitude,
    {{ rule_number('max_longitude') }} as max_longitude,
    {{ rule_number('max_relative') }} as max_relative,
    {{ rule_number('max_absolute') }} as max_absolute,
    {{ rule_texts('values') }} as allowed_values,
    {{ rule_texts('with') }} as with_fields,

    is_enabled,

    updated_at
from rules
