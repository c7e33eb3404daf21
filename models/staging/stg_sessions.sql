select
    session_id,

    source,
    scope,
    session_name,
    session_kind,
    target_url,
    status as session_status,
    incomplete_reason,
    verdict_reason,
    verdict,

    pages_planned,
    pages_done,
    pages_unchanged,
    pages_failed,
    pages_blocked,
    site_listing_count,
    rows_read,
    rows_landed,
    rows_rejected,
    duplicates_collapsed,

    is_complete,
    is_forced,
    allows_mass_removal,
    may_publish,
    may_remove,

    opened_at,
    observed_at,
    scraped_at,
    published_at,
    rule_results_removed_at
from {{ source('property_manager', 'scrape_sessions') }}
