-- Detects a listing published from a session that may not publish, and an absence counted for one that may not remove.
-- A returned row is such a listing with the session and what the sync would do.
{{ config(tags=['guard']) }}

with

sessions as (

    select * from {{ ref('int_sessions_gated') }}

),

candidates as (

    select
        property_id,
        session_id,
        'published' as fate
    from {{ ref('int_listings_changed') }}
    union all
    select
        property_id,
        session_id,
        outcome as fate
    from {{ ref('int_listings_missing') }}
    where outcome <> 'suppressed'

)

select
    candidates.property_id,
    candidates.session_id,
    candidates.fate
from candidates
left join sessions on candidates.session_id = sessions.session_id
where
    case
        when candidates.fate = 'published' then not coalesce(sessions.may_publish, false)
        else not coalesce(sessions.may_remove, false)
    end
