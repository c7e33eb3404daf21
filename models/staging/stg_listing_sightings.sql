select
    property_id,
    session_id,

    is_read,

    observed_at
from {{ source('property_manager', 'listing_sightings') }}
