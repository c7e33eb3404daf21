select
    sync_id,
    session_id,

    rule_name,
    severity,

    rule_version,
    evaluated_count,
    violated_count,

    evaluated_at
from {{ source('property_manager', 'rule_evaluations') }}
