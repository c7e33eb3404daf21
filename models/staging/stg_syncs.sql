select
    sync_id,
    invocation_id,

    sync_kind,
    status as sync_status,

    base_version,
    version,

    started_at,
    published_at,
    finished_at
from {{ source('property_manager', 'sync_metadata') }}
