-- Detects a listing that the sync would write twice, or write and remove at once.
-- A returned row is such a listing with the number of its candidates.
{{ config(tags=['guard']) }}

with

candidates as (

    select property_id from {{ ref('int_listings_changed') }}
    union all
    select property_id from {{ ref('int_listings_missing') }}
    where outcome = 'removed'

)

select
    property_id,
    count(*) as candidate_count
from candidates
group by property_id
having count(*) > 1
