with

published as (

    select * from {{ source('property_manager', 'properties_live') }}

)

select * from published
