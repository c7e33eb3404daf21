{{ config(materialized='view') }}

with

syncs as (

    select * from {{ ref('stg_syncs') }}

),

sync_sessions as (

    select * from {{ ref('stg_sync_sessions') }}

),

sessions as (

    select * from {{ ref('stg_sessions') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

)

select
    sessions.session_id,
    syncs.sync_id,

    sessions.source,
    sessions.scope,
    sessions.session_kind,
    sessions.incomplete_reason,
    sources.currency,
    sources.number_format,
    sources.area_unit,
    sources.country,
    sources.time_zone,

    sessions.pages_planned,
    sessions.pages_done,
    sessions.pages_failed,
    sessions.pages_blocked,
    sessions.site_listing_count,
    sessions.rows_landed,
    sessions.rows_rejected,
    sessions.duplicates_collapsed,
    sources.removal_after_sessions,
    sources.max_removal_share,
    sources.min_coverage,
    sources.min_volume_ratio,
    sources.completeness_rate as min_completeness,
    sources.duplicate_rate as max_duplicate_rate,
    sources.error_rate as max_error_rate,
    sources.freshness_hours,
    sources.max_fill_rate_drop,
    sources.max_id_turnover,
    sources.suspicious_price_change,

    sessions.is_complete,
    sessions.is_forced,
    sessions.allows_mass_removal,

    sessions.opened_at,
    sessions.observed_at,
    syncs.started_at as sync_started_at
from syncs
inner join sync_sessions on syncs.sync_id = sync_sessions.sync_id
inner join sessions on sync_sessions.session_id = sessions.session_id
inner join sources on sessions.source = sources.source
where syncs.sync_status = 'running'
