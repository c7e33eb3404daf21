select
    source,
    scope,

    retired_at
from {{ source('property_manager', 'retired_scopes') }}
