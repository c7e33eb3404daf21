with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

measures as (

    select * from {{ ref('int_session_measures') }}

),

session_checks as (

    select * from {{ ref('int_session_checks') }}

),

all_sessions as (

    select * from {{ ref('stg_sessions') }}

),

newest_sessions as (

    select
        source,
        max(observed_at) as observed_at
    from all_sessions
    where session_status in ('published', 'complete', 'quarantined')
    group by source

),

verdicts as (

    select
        session_id,
        string_agg(message, '; ' order by check_no) filter (where consequence = 'quarantine') as quarantine_reason,
        string_agg(message, '; ' order by check_no) filter (where consequence = 'remove_nothing') as doubts,
        string_agg(message, '; ' order by field_name) filter (where consequence = 'freeze_field') as frozen_reason,
        coalesce(
            array_agg(field_name order by field_name) filter (where consequence = 'freeze_field'), '{}'
        ) as frozen_fields,
        jsonb_agg(
            jsonb_build_object(
                'check_name', check_name,
                'field_name', field_name,
                'value', value,
                'usual_value', usual_value,
                'threshold', threshold,
                'verdict', verdict,
                'consequence', consequence,
                'message', message
            ) order by check_no, field_name
        ) as checks,
        max(value) filter (where check_name = 'page_coverage') as page_coverage,
        max(value) filter (where check_name = 'listing_coverage') as listing_coverage,
        max(value) filter (where check_name = 'volume') as volume_ratio,
        max(usual_value) filter (where check_name = 'volume') as median_observed
    from session_checks
    group by session_id

)

select
    sessions.session_id,
    sessions.sync_id,

    sessions.source,
    sessions.scope,
    sessions.session_kind,
    verdicts.quarantine_reason,
    coalesce(verdicts.quarantine_reason, verdicts.doubts) as removal_suppressed_reason,
    case when verdicts.quarantine_reason is null then verdicts.frozen_reason end as frozen_reason,
    verdicts.frozen_fields,

    measures.fill_rates,
    measures.unreadable_counts,
    verdicts.checks,

    measures.observed_count,
    verdicts.median_observed,
    verdicts.page_coverage,
    verdicts.listing_coverage,
    verdicts.volume_ratio,
    measures.completeness,
    measures.duplicate_rate,
    measures.error_rate,
    measures.new_share,
    measures.absent_share,
    measures.error_violations,
    measures.warning_violations,
    measures.info_violations,
    measures.carried_counts,
    measures.weighted_completeness,
    measures.rejected_count,
    measures.warned_count,
    measures.noted_count,
    measures.freshness_limit_hours,
    measures.violations_by_rule,
    measures.geography,
    sessions.suspicious_price_change,
    sessions.removal_after_sessions,
    case when not sessions.allows_mass_removal then sessions.max_removal_share end as max_removal_share,

    verdicts.quarantine_reason is null as may_publish,
    coalesce(verdicts.quarantine_reason, verdicts.doubts) is null as may_remove,
    coalesce(
        least(measures.first_observed_at, sessions.observed_at) < newest_sessions.observed_at, false
    ) as is_late,
    sessions.is_forced,
    sessions.allows_mass_removal,

    sessions.observed_at
from sessions
inner join measures on sessions.session_id = measures.session_id
inner join verdicts on sessions.session_id = verdicts.session_id
left join newest_sessions on sessions.source = newest_sessions.source
