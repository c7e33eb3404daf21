-- Detects a listing whose current version in the history is missing, doubled or not what the live table holds.
-- A returned row is such a listing with both versions and the number of its current rows. While a published sync is not
-- complete, listings whose history is owed are returned too.
with

live as (

    select * from {{ ref('properties_live') }}

),

versions as (

    select
        *,
        count(*) over (partition by property_id) as row_count
    from {{ ref('properties_history') }}
    where valid_to is null

)

select
    live.property_id as live_property_id,
    versions.property_id as history_property_id,
    live.version as live_version,
    versions.version as history_version,
    versions.row_count
from live
full outer join versions on live.property_id = versions.property_id
where
    versions.row_count is distinct from 1
    {%- for column in ['version', 'listing_status', 'spell_number', 'spell_started_at', 'removed_at', 'attributes']
        + (listing_fields() | list) %}
    or live.{{ column }} is distinct from versions.{{ column }}
    {%- endfor %}
