-- Detects a published feed row that a reader who continues after the last sequence it saw would miss: syncs commit in
-- the order of their versions, so every row of a later version must come after every row of an earlier one.
-- A returned row is a sync whose rows begin before those of its predecessor end.
-- depends_on: {{ ref('properties_history') }}

with

feed as (

    select * from {{ ref('property_changes') }}
    where is_published

),

syncs as (

    select * from {{ ref('stg_syncs') }}

),

extents as (

    select
        sync_id,
        min(sequence) as first_sequence,
        max(sequence) as last_sequence
    from feed
    group by sync_id

),

in_order as (

    select
        extents.sync_id,
        syncs.version,
        extents.first_sequence,
        max(extents.last_sequence) over (
            order by syncs.version
            rows between unbounded preceding and 1 preceding
        ) as previous_sequence
    from extents
    inner join syncs on extents.sync_id = syncs.sync_id

)

select * from in_order
where first_sequence <= previous_sequence
