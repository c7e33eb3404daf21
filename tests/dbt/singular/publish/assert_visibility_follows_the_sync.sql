-- Detects feed rows whose visibility contradicts their sync: hidden although it published, visible although it did not.
-- A returned row is a sync with its state and the number of such rows.
-- depends_on: {{ ref('properties_history') }}

with

feed as (

    select * from {{ ref('property_changes') }}

),

syncs as (

    select * from {{ ref('stg_syncs') }}

),

visibilities as (

    select
        sync_id,
        is_published,
        count(*) as row_count
    from feed
    group by sync_id, is_published

)

select
    visibilities.sync_id,
    syncs.sync_status,
    visibilities.is_published,
    visibilities.row_count
from visibilities
left join syncs on visibilities.sync_id = syncs.sync_id
where visibilities.is_published is distinct from coalesce(syncs.sync_status in ('published', 'complete'), false)
