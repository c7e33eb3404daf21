with

sightings as (

    select * from {{ source('property_manager', 'listing_sightings') }}

)

select
    property_id,
    session_id,

    observed_at
from sightings
