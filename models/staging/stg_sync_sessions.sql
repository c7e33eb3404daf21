select
    sync_id,
    session_id,

    removal_suppressed_reason,

    observed,
    created,
    relisted,
    updated,
    price_changed,
    price_up,
    price_down,
    reactivated,
    missing,
    removed,
    unchanged,
    held,
    rejected,
    removals_suppressed
from {{ source('property_manager', 'sync_sessions') }}
