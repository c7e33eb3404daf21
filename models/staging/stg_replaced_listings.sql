select
    property_id,
    session_id,

    sync_version,
    version,
    first_price,
    original_price,
    previous_price,
    lowest_price,
    held_price,
    held_currency,
    earlier_days_on_market,

    scopes,
    quality_flags,
    significant_baseline,

    price_changed_at,
    held_at
from {{ source('property_manager', 'replaced_listings') }}
