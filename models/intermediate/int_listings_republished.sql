{{ config(materialized='view') }}
-- Durable tables only: after a crash this view still names the rows whose history is owed.

with

syncs as (

    select * from {{ ref('stg_syncs') }}
    where sync_status = 'published'

),

changes as (

    select
        sync_id,
        property_id
    from {{ ref('property_changes') }}
    where is_published and change_type not in ('missing', 'held')

),

live as (

    select * from {{ ref('properties_live') }}

),

republished as (

    select distinct changes.property_id
    from syncs
    inner join changes on syncs.sync_id = changes.sync_id

)

select
    live.property_id,
    live.source_listing_id,
    live.source,
    live.listing_status,
    {%- for field in listing_fields() %}
    live.{{ field }},
    {%- endfor %}
    live.attributes,
    live.version,
    live.spell_number,
    live.relisted_from,
    live.removal_reason,
    live.standard_status,
    live.first_seen_at,
    live.spell_started_at,
    live.removed_at,
    live.observed_at,
    live.last_session_id
from republished
inner join live on republished.property_id = live.property_id
