-- Detects a session that was published without an enabled rule having been applied to it, or whose kept counts are not
-- those of its kept violations. Rules changed after a sync began are not asked of it, nor sessions whose results went
-- by age.
-- A returned row is such a sync, session and rule with the count that was kept and the one that was found.
-- depends_on: {{ ref('properties_history') }}

with

rules as (

    select * from {{ ref('stg_validation_rules') }}
    where is_enabled

),

evaluations as (

    select * from {{ ref('stg_rule_evaluations') }}

),

violations as (

    select
        sync_id,
        session_id,
        rule_name,
        count(*) as listing_count
    from {{ ref('stg_rule_violations') }}
    group by sync_id, session_id, rule_name

),

-- Results are kept since the first evaluation; what was published before cannot be asked for them.
judged as (

    select
        syncs.sync_id,
        syncs.started_at,
        taken.session_id
    from {{ ref('stg_syncs') }} as syncs
    inner join {{ ref('stg_sync_sessions') }} as taken on syncs.sync_id = taken.sync_id
    inner join {{ ref('stg_sessions') }} as sessions on taken.session_id = sessions.session_id
    where
        syncs.sync_kind = 'sync'
        and syncs.sync_status in ('published', 'complete')
        and sessions.rule_results_removed_at is null
        and syncs.published_at >= (select min(evaluations.evaluated_at) from evaluations)

),

-- A session that was judged again keeps the violations of its last judgement alone.
last_judged as (

    select distinct on (session_id)
        session_id,
        sync_id
    from evaluations
    order by session_id asc, evaluated_at desc, sync_id desc

),

unevaluated as (

    select
        judged.sync_id,
        judged.session_id,
        rules.rule_name,
        null::bigint as kept_count,
        null::bigint as found_count
    from judged
    inner join rules on judged.started_at > rules.updated_at
    left join evaluations
        on
            judged.sync_id = evaluations.sync_id
            and judged.session_id = evaluations.session_id
            and rules.rule_name = evaluations.rule_name
            and rules.rule_version = evaluations.rule_version
    where evaluations.sync_id is null

),

miscounted as (

    select
        evaluations.sync_id,
        evaluations.session_id,
        evaluations.rule_name,
        evaluations.violated_count as kept_count,
        coalesce(violations.listing_count, 0) as found_count
    from evaluations
    inner join last_judged
        on
            evaluations.session_id = last_judged.session_id
            and evaluations.sync_id = last_judged.sync_id
    left join violations
        on
            evaluations.sync_id = violations.sync_id
            and evaluations.session_id = violations.session_id
            and evaluations.rule_name = violations.rule_name
    where
        evaluations.violated_count <> coalesce(violations.listing_count, 0)
        or evaluations.violated_count > evaluations.evaluated_count

)

select * from unevaluated
union all
select * from miscounted
