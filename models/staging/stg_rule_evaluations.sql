with

evaluations as (

    select * from {{ source('property_manager', 'rule_evaluations') }}

)

select
    sync_id,
    session_id,

    rule_name,
    severity,

    rule_version,
    evaluated_count,
    violated_count,

    evaluated_at
from evaluations
