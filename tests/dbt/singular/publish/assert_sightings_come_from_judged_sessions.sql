-- Detects a sighting whose session is unknown or was never judged; absences are counted since the last sighting, so it
-- would keep a listing alive.
-- A returned row is such a session with the number of its sightings.
-- depends_on: {{ ref('properties_history') }}

with

sightings as (

    select * from {{ ref('stg_listing_sightings') }}

),

sessions as (

    select * from {{ ref('stg_sessions') }}

),

per_session as (

    select
        session_id,
        count(*) as sighting_count
    from sightings
    group by session_id

)

select
    per_session.session_id,
    sessions.session_status,
    per_session.sighting_count
from per_session
left join sessions on per_session.session_id = sessions.session_id
-- A quarantined session that waits to be judged again keeps its verdict.
where sessions.verdict is null
