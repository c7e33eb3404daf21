select
    source,

    currency,
    number_format,
    area_unit,
    country,
    time_zone,

    removal_after_sessions,
    max_removal_share,
    suspicious_price_change,
    min_coverage,
    min_volume_ratio,
    completeness_rate,
    duplicate_rate,
    error_rate,
    freshness_hours,
    max_fill_rate_drop,
    max_id_turnover
from {{ source('property_manager', 'sources') }}
