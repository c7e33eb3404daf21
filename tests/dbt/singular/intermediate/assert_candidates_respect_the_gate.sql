-- Detects a listing published from a session that may not publish, a field published although the gate froze it, and
-- an absence counted for a session that may not remove. That its own page says that an advert left is no absence.
-- A returned row is such a listing with the session and what the sync would do.
{{ config(tags=['guard']) }}

with

sessions as (

    select * from {{ ref('int_sessions_gated') }}

),

changed as (

    select * from {{ ref('int_listings_changed') }}

),

missing as (

    select * from {{ ref('int_listings_missing') }}
    where outcome <> 'suppressed'

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

withheld as (

    select
        changed.property_id,
        changed.session_id,
        'published' as fate
    from changed
    left join sessions on changed.session_id = sessions.session_id
    where not coalesce(sessions.may_publish, false)

),

-- Only listings of sessions with frozen fields are looked at as JSON, which is slow.
thawed as (

    select
        changed.property_id,
        changed.session_id,
        'published with ' || frozen.field_name as fate
    from sessions
    cross join unnest(sessions.frozen_fields) as frozen (field_name)
    inner join changed on sessions.session_id = changed.session_id
    left join published on changed.property_id = published.property_id
    where
        to_jsonb(changed) ->> frozen.field_name
        is distinct from to_jsonb(published) ->> frozen.field_name

),

absent as (

    select
        missing.property_id,
        missing.session_id,
        missing.outcome as fate
    from missing
    left join sessions on missing.session_id = sessions.session_id
    where
        not coalesce(sessions.may_publish, false)
        or (not coalesce(sessions.may_remove, false) and missing.removal_reason not in ('gone', 'sold'))

)

select * from withheld
union all
select * from thawed
union all
select * from absent
