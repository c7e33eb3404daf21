select
    property_id,
    session_id,

    observed_at
from {{ source('property_manager', 'listing_sightings') }}
