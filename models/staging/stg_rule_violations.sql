select
    property_id,
    session_id,
    sync_id,

    rule_name,
    field_name,
    rule_type,
    severity,
    found_value,

    rule_version,

    observed_at
from {{ source('property_manager', 'rule_violations') }}
