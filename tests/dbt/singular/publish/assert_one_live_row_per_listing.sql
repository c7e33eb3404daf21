-- Detects an advert that stands in the live table under two keys, although the key is made of source and id.
-- A returned row is such an advert with the number of its rows.
-- depends_on: {{ ref('properties_history') }}

with

live as (

    select * from {{ ref('properties_live') }}

)

select
    source,
    source_listing_id,
    count(*) as row_count
from live
group by source, source_listing_id
having count(*) > 1 or count(distinct property_id) > 1
