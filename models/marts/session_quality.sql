with

sessions as (

    select * from {{ ref('stg_sessions') }}

),

counts as (

    select * from {{ ref('stg_sync_sessions') }}

),

syncs as (

    select * from {{ ref('stg_syncs') }}
    where sync_status in ('published', 'complete')

)

select
    sessions.session_id,
    counts.sync_id,

    sessions.source,
    sessions.scope,
    sessions.session_kind,
    sessions.session_status,
    sessions.incomplete_reason,
    sessions.verdict ->> 'quarantine_reason' as quarantine_reason,
    counts.removal_suppressed_reason,
    sessions.verdict -> 'fill_rates' as fill_rates,
    sessions.verdict -> 'unreadable_counts' as unreadable_counts,

    (sessions.verdict ->> 'page_coverage')::double precision as page_coverage,
    (sessions.verdict ->> 'listing_coverage')::double precision as listing_coverage,
    (sessions.verdict ->> 'volume_ratio')::double precision as volume_ratio,
    (sessions.verdict ->> 'completeness')::double precision as completeness,
    (sessions.verdict ->> 'duplicate_rate')::double precision as duplicate_rate,
    (sessions.verdict ->> 'error_rate')::double precision as error_rate,
    (sessions.verdict ->> 'error_violations')::bigint as error_violations,
    (sessions.verdict ->> 'warning_violations')::bigint as warning_violations,
    (sessions.verdict ->> 'info_violations')::bigint as info_violations,
    sessions.rows_landed,
    sessions.rows_rejected,
    sessions.duplicates_collapsed,
    counts.observed,
    counts.created,
    counts.updated,
    counts.price_changed,
    counts.price_up,
    counts.price_down,
    counts.reactivated,
    counts.missing,
    counts.removed,
    counts.unchanged,
    counts.held,
    counts.rejected,
    counts.removals_suppressed,

    sessions.is_complete,
    sessions.may_publish,
    sessions.may_remove,

    sessions.observed_at,
    sessions.published_at
from syncs
inner join counts on syncs.sync_id = counts.sync_id
inner join sessions on counts.session_id = sessions.session_id
