with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

all_sessions as (

    select * from {{ ref('stg_sessions') }}

),

past_counts as (

    select * from {{ ref('stg_sync_sessions') }}

),

measures as (

    select * from {{ ref('int_session_measures') }}

),

good_sessions as (

    select
        sessions.session_id,
        past_counts.observed,
        row_number() over (
            partition by sessions.session_id
            order by all_sessions.observed_at desc, all_sessions.session_id desc
        ) as recency
    from sessions
    inner join all_sessions
        on
            sessions.source = all_sessions.source
            and sessions.scope = all_sessions.scope
            and sessions.observed_at > all_sessions.observed_at
    inner join past_counts on all_sessions.session_id = past_counts.session_id
    where
        all_sessions.may_remove
        and all_sessions.session_status in ('published', 'complete')
        and past_counts.observed is not null

),

usual_volume as (

    select
        session_id,
        percentile_cont(0.5) within group (order by observed) as median_observed
    from good_sessions
    where recency <= 5
    group by session_id

),

newest_sessions as (

    select
        source,
        max(observed_at) as observed_at
    from all_sessions
    where session_status in ('published', 'complete', 'quarantined')
    group by source

),

measured as (

    select
        sessions.*,
        measures.observed_count,
        measures.fill_rates,
        measures.unreadable_counts,
        measures.completeness,
        measures.duplicate_rate,
        measures.error_rate,
        measures.error_violations,
        measures.warning_violations,
        measures.info_violations,
        measures.weighted_completeness,
        measures.rejected_count,
        measures.warned_count,
        measures.noted_count,
        measures.freshness_limit_hours,
        measures.violations_by_rule,
        measures.geography,
        usual_volume.median_observed,
        sessions.pages_done::double precision / nullif(sessions.pages_planned, 0) as page_coverage,
        measures.observed_count::double precision / nullif(sessions.site_listing_count, 0) as listing_coverage,
        measures.observed_count / nullif(usual_volume.median_observed, 0) as volume_ratio,
        coalesce(sessions.observed_at < newest_sessions.observed_at, false) as is_late
    from sessions
    inner join measures on sessions.session_id = measures.session_id
    left join usual_volume on sessions.session_id = usual_volume.session_id
    left join newest_sessions on sessions.source = newest_sessions.source

),

doubted as (

    select
        *,
        nullif(
            concat_ws(
                '; ',
                -- A listing may stand in a row that could not be read: it is not absent.
                case
                    when rows_rejected > 0
                        then format('%s of %s rows could not be landed', rows_rejected, rows_landed + rows_rejected)
                end,
                case
                    when page_coverage < min_coverage
                        then format('%s of %s pages were read', pages_done, pages_planned)
                end,
                case
                    when listing_coverage < min_coverage
                        then
                            format(
                                '%s of the %s listings the site counts were seen', observed_count, site_listing_count
                            )
                end,
                case
                    when volume_ratio < min_volume_ratio
                        then
                            format(
                                '%s listings were seen, the median of recent sessions is %s',
                                observed_count, median_observed
                            )
                end
            ),
            ''
        ) as doubts
    from measured

),

judged as (

    select
        *,
        case when observed_count = 0 then 'no listing was observed' end as quarantine_reason,
        case
            when is_complete then doubts
            else coalesce(incomplete_reason, 'the session is partial')
        end as removal_suppressed_reason
    from doubted

)

select
    session_id,
    sync_id,

    source,
    scope,
    quarantine_reason,
    coalesce(quarantine_reason, removal_suppressed_reason) as removal_suppressed_reason,

    fill_rates,
    unreadable_counts,

    observed_count,
    median_observed,
    page_coverage,
    listing_coverage,
    volume_ratio,
    completeness,
    duplicate_rate,
    error_rate,
    error_violations,
    warning_violations,
    info_violations,
    weighted_completeness,
    rejected_count,
    warned_count,
    noted_count,
    freshness_limit_hours,
    violations_by_rule,
    geography,
    removal_after_sessions,
    max_removal_share,

    quarantine_reason is null as may_publish,
    quarantine_reason is null and removal_suppressed_reason is null as may_remove,
    is_late,

    observed_at
from judged
