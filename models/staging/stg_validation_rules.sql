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

    rule_version,
    (rule_config ->> 'min')::double precision as min_value,
    (rule_config ->> 'max')::double precision as max_value,
    case
        when jsonb_typeof(rule_config -> 'values') = 'array'
            then array(select jsonb_array_elements_text(rule_config -> 'values'))
    end as allowed_values,

    is_enabled
from rules
