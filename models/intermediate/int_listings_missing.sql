{{ config(post_hook="analyze {{ this }}") }}

with

sessions as (

    select * from {{ ref('int_sessions_gated') }}

),

past_sessions as (

    select * from {{ ref('stg_sessions') }}
    where may_remove and session_status in ('published', 'complete') and session_kind <> 'retirement'

),

compared as not materialized (

    select * from {{ ref('int_listings_compared') }}

),

sightings as (

    select * from {{ ref('stg_listing_sightings') }}

),

published as not materialized (

    select
        property_id,
        source,
        scopes
    from {{ ref('stg_published_listings') }}
    where listing_status = 'active'

),

-- Looked up by key, for the few adverts whose page says that they left.
published_by_key as not materialized (

    select * from {{ ref('stg_published_listings') }}
    where listing_status = 'active'

),

retired as (

    select
        source,
        array_agg(scope) as scopes
    from {{ ref('stg_retired_scopes') }}
    group by source

),

active_in_scope as (

    select
        sessions.sync_id,
        sessions.session_id,
        sessions.source,
        sessions.scope,
        sessions.session_kind,
        sessions.may_remove,
        sessions.removal_after_sessions,
        sessions.max_removal_share,
        sessions.observed_at,
        published.property_id,
        published.scopes,
        retired.scopes as retired_scopes
    from sessions
    inner join published
        on
            sessions.source = published.source
            and sessions.scope = any(published.scopes)
    left join retired on sessions.source = retired.source

),

scope_sizes as (

    select
        session_id,
        count(*) as active_count
    from active_in_scope
    group by session_id

),

absent as (

    select
        active_in_scope.*,
        last_sighting.observed_at as last_seen_at
    from active_in_scope
    left join compared on active_in_scope.property_id = compared.property_id
    cross join
        lateral (
            select max(sightings.observed_at) as observed_at
            from sightings
            where sightings.property_id = active_in_scope.property_id
        ) as last_sighting
    where
        compared.property_id is null
        and active_in_scope.observed_at > last_sighting.observed_at

),

-- A listing leaves when every scope that listed it has missed it often enough since anyone last saw it. A scope that
-- was retired has no say; where none is left, the session of the retirement takes the listing off.
counted as (

    select
        absent.*,
        fewest.absences,
        absent.session_kind = 'retirement' and fewest.absences is null as is_retired,
        null::text as evidence
    from absent
    cross join
        lateral (
            select
                min(
                    case when listed.scope = absent.scope and absent.may_remove then 1 else 0 end
                    + (
                        select count(*)
                        from past_sessions
                        where
                            past_sessions.source = absent.source
                            and past_sessions.scope = listed.scope
                            and past_sessions.observed_at > absent.last_seen_at
                    )
                ) as absences
            from unnest(absent.scopes) as listed (scope)
            where listed.scope <> all(coalesce(absent.retired_scopes, '{}'))
        ) as fewest

),

-- Its own page says that the advert left: no session has to miss it first, whichever scope it stood in, and be it one
-- that the session did not read.
left_by_evidence as (

    select
        sessions.sync_id,
        sessions.session_id,
        sessions.source,
        sessions.scope,
        sessions.session_kind,
        sessions.may_remove,
        sessions.removal_after_sessions,
        sessions.max_removal_share,
        sessions.observed_at,
        published_by_key.property_id,
        published_by_key.scopes,
        null::text[] as retired_scopes,
        null::timestamptz as last_seen_at,
        0::bigint as absences,
        false as is_retired,
        compared.outcome as evidence
    from sessions
    inner join compared on sessions.session_id = compared.session_id
    inner join published_by_key on compared.property_id = published_by_key.property_id
    where compared.outcome in ('gone', 'sold')

),

leaving as (

    select * from counted
    where session_kind <> 'retirement' or is_retired
    union all
    select * from left_by_evidence

),

ripe as (

    select
        *,
        evidence is not null
        or (may_remove and (is_retired or coalesce(absences >= removal_after_sessions, false))) as is_ripe
    from leaving

),

-- What would leave at once is measured in the scope that was read, and for listings that do not stand there, in theirs.
other_scopes as (

    select distinct
        left_by_evidence.session_id,
        left_by_evidence.source,
        listed.scope
    from left_by_evidence
    cross join unnest(left_by_evidence.scopes) as listed (scope)
    where left_by_evidence.scope <> all(left_by_evidence.scopes)

),

measured_scopes as (

    select
        sessions.session_id,
        sessions.scope,
        scope_sizes.active_count
    from sessions
    inner join scope_sizes on sessions.session_id = scope_sizes.session_id
    union all
    select
        other_scopes.session_id,
        other_scopes.scope,
        count(*) as active_count
    from other_scopes
    inner join published
        on
            other_scopes.source = published.source
            and other_scopes.scope = any(published.scopes)
    group by other_scopes.session_id, other_scopes.scope

),

-- A few rows, counted once and not for every listing that leaves.
leaving_scopes as materialized (

    select
        measured_scopes.session_id,
        measured_scopes.scope,
        measured_scopes.active_count,
        count(*) filter (where ripe.is_ripe) as ripe_count
    from measured_scopes
    inner join ripe
        on
            measured_scopes.session_id = ripe.session_id
            and measured_scopes.scope = any(ripe.scopes)
    group by measured_scopes.session_id, measured_scopes.scope, measured_scopes.active_count

),

limited as (

    select
        ripe.*,
        largest.active_count,
        largest.ripe_count
    from ripe
    cross join
        lateral (
            select
                leaving_scopes.active_count,
                leaving_scopes.ripe_count
            from leaving_scopes
            where
                ripe.session_id = leaving_scopes.session_id
                and leaving_scopes.scope = any(ripe.scopes)
                and (leaving_scopes.scope = ripe.scope or ripe.scope <> all(ripe.scopes))
            order by
                leaving_scopes.ripe_count::double precision / leaving_scopes.active_count desc,
                leaving_scopes.scope asc
            limit 1
        ) as largest

)

select
    sync_id,
    session_id,
    property_id,
    source,
    scope,
    case
        when not (may_remove or is_ripe) then 'suppressed'
        when not is_ripe then 'missing'
        when ripe_count > max_removal_share * active_count then 'over_limit'
        else 'removed'
    end as outcome,
    coalesce(evidence, case when is_retired then 'retired' else 'absent' end) as removal_reason,
    coalesce(absences, 0) as absences,
    active_count,
    ripe_count,
    max_removal_share,
    last_seen_at,
    observed_at
from limited
