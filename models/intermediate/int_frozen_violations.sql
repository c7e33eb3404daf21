with

sessions as (

    select * from {{ ref('int_sessions_gated') }}
    where may_publish

),

rules as (

    select
        *,
        {{ field_position('field_name') }} as field_position
    from {{ ref('stg_validation_rules') }}
    where is_enabled and rule_type = 'required'

),

-- Rules that meet a frozen field: usually none, and then no listing is read.
frozen_rules as (

    select
        sessions.session_id,
        sessions.sync_id,
        rules.rule_name,
        rules.field_name,
        rules.rule_type,
        rules.severity,
        rules.rule_version,
        rules.field_position
    from sessions
    cross join unnest(sessions.frozen_fields) as frozen (field_name)
    inner join rules on frozen.field_name = rules.field_name

),

listings as not materialized (

    select * from {{ ref('int_listings_observed') }}
    where evidence is null

),

published as not materialized (

    select * from {{ ref('stg_published_listings') }}

)

select
    frozen_rules.sync_id,
    frozen_rules.session_id,
    listings.property_id,
    frozen_rules.rule_name,
    frozen_rules.field_name,
    frozen_rules.rule_type,
    frozen_rules.severity,
    left({{ field_as_text('listings', 'frozen_rules.field_position', 'null::text') }}, 500) as found_value,
    frozen_rules.rule_version,
    listings.observed_at
from frozen_rules
inner join listings on frozen_rules.session_id = listings.session_id
left join published on listings.property_id = published.property_id
where
    -- A missing value breaks the rule already.
    not {{ field_is_missing('listings', 'frozen_rules.field_position', 'null::text') }}
    and (published.property_id is null or published.listing_status = 'removed')
    and {{ field_is_missing('published', 'frozen_rules.field_position', 'null::text') }}
