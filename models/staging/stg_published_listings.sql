select * from {{ source('property_manager', 'properties_live') }}
