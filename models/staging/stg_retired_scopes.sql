with

retired_scopes as (

    select * from {{ source('property_manager', 'retired_scopes') }}

)

select
    source,
    scope,

    retired_at
from retired_scopes
