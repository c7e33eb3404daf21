{{ config(
    indexes=[{'columns': ['property_id'], 'unique': true}],
    post_hook="analyze {{ this }}",
) }}

{%- set published_columns = [
    'price', 'currency', 'price_period', 'price_qualifier', 'row_hash', 'version', 'scopes', 'quality_flags',
    'held_price', 'held_currency', 'held_at', 'first_price', 'original_price', 'previous_price', 'lowest_price',
    'price_changed_at', 'relisted_from', 'earlier_days_on_market', 'significant_baseline', 'first_seen_at',
    'spell_number', 'spell_started_at', 'removed_at', 'observed_at', 'last_session_id',
] %}

with

compared as (

    select * from {{ ref('int_listings_compared') }}
    where outcome in ('created', 'reactivated', 'differs', 'touched')

),

observed as (

    select * from {{ ref('int_listings_observed') }}

),

relisted as (

    select * from {{ ref('int_listings_relisted') }}

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

-- NULL where nothing is frozen, so that the question costs nothing for each field of each listing.
sessions as (

    select
        session_id,
        suspicious_price_change,
        nullif(frozen_fields, '{}') as frozen_fields
    from {{ ref('int_sessions_gated') }}

),

-- The listing as its observation would have it: what that could not carry stays as it was. A price and its currency
-- belong together: a currency comes with the price that it counts, and one that is unknown is taken for the known one.
-- `offset 0`, here and below, keeps values from being worked out again wherever they are used.
filled as (

    select
        compared.sync_id,
        compared.session_id,
        compared.property_id,
        observed.source_listing_id,
        compared.source,
        compared.scope,
        compared.outcome,
        {%- for field in listing_fields() %}
        {%- set value = value_to_publish(field, 'observed', 'published', 'sessions.frozen_fields') %}
        {%- if field == 'price' %}
        case when prices.is_price_observed then {{ value }} else published.price end as price,
        {%- elif field == 'currency' %}
        case
            when prices.is_price_observed or published.price is null then coalesce({{ value }}, published.currency)
            else published.currency
        end as currency,
        {%- else %}
        {{ value }} as {{ field }},
        {%- endif %}
        {%- endfor %}
        jsonb_strip_nulls(coalesce(published.attributes, '{}') || observed.attributes) as attributes,
        compared.quality_flags,
        compared.observed_at,
        {%- for column in published_columns %}
        published.{{ column }} as published_{{ column }},
        {%- endfor %}
        case when compared.outcome in ('differs', 'touched') then {{ listing_hash('published') }} end
            as fresh_published_hash,
        sessions.suspicious_price_change,
        prices.is_price_observed
    from compared
    inner join observed
        on
            compared.session_id = observed.session_id
            and compared.property_id = observed.property_id
    inner join sessions on compared.session_id = sessions.session_id
    left join published on compared.property_id = published.property_id
    cross join
        lateral (
            values (
                -- A page may say a price that its card says unreadably.
                (observed.price is not null or 'price' = any(observed.observed_fields))
                and 'price' <> all(coalesce(sessions.frozen_fields, '{}'))
                -- A price in a currency that is not trusted is not trusted.
                and not (
                    'currency' = any(coalesce(sessions.frozen_fields, '{}'))
                    and {{ is_other_currency('observed.currency', 'published.currency') }}
                )
            )
        ) as prices (is_price_observed)
    offset 0 -- noqa: AM09

),

judged as (

    select
        *,
        {{ price_verdict(
            'price', 'currency', 'is_price_observed', 'published_price', 'published_currency',
            'published_held_price', 'published_held_currency', 'suspicious_price_change'
        ) }} as price_verdict
    from filled
    offset 0 -- noqa: AM09

),

-- A suspicious price is kept back together with what it is counted in; everything else goes on.
decided as (

    select
        sync_id,
        session_id,
        property_id,
        source_listing_id,
        source,
        scope,
        outcome,
        {%- for field in listing_fields() %}
        {%- if field in ('price', 'currency', 'price_period', 'price_qualifier') %}
        case when price_verdict = 'held' then published_{{ field }} else {{ field }} end as {{ field }},
        {%- else %}
        {{ field }},
        {%- endif %}
        {%- endfor %}
        attributes,
        quality_flags,
        observed_at,
        {%- for column in published_columns %}
        published_{{ column }},
        {%- endfor %}
        fresh_published_hash,
        price_verdict,
        case
            when price_verdict = 'held' then price
            when price_verdict is null then published_held_price
        end as held_price,
        case
            when price_verdict = 'held' then currency
            when price_verdict is null then published_held_currency
        end as held_currency,
        case
            when price_verdict = 'held' then observed_at
            when price_verdict is null then published_held_at
        end as held_at
    from judged

),

hashed as (

    select
        *,
        {{ listing_hash('decided') }} as row_hash
    from decided
    offset 0 -- noqa: AM09

),

classified as (

    select
        hashed.*,
        case
            when hashed.outcome = 'created' and relisted.property_id is not null then 'relisted'
            when hashed.outcome in ('created', 'reactivated') then hashed.outcome
            when hashed.row_hash <> hashed.fresh_published_hash then 'updated'
        end as change_type,
        hashed.outcome in ('created', 'reactivated') as is_spell_start,
        {{ is_other_currency('hashed.currency', 'hashed.published_currency') }} as has_other_currency,
        relisted.relisted_from,
        relisted.relisted_listing_id,
        relisted.relisted_price,
        relisted.earlier_days_on_market as relisted_days_on_market
    from hashed
    left join relisted on hashed.property_id = relisted.property_id

)

select
    sync_id,
    session_id,
    property_id,
    source_listing_id,
    source,
    scope,
    change_type,
    {%- for field in listing_fields() %}
    {{ field }},
    {%- endfor %}
    attributes,
    quality_flags,
    row_hash,
    published_price,
    published_currency,
    has_other_currency,
    price_verdict,
    held_price,
    held_currency,
    held_at,
    published_held_price as pending_price,
    published_held_currency as pending_currency,
    published_held_at as pending_since,
    coalesce(published_first_price, price) as first_price,
    case
        when is_spell_start or has_other_currency then price
        else coalesce(published_original_price, price)
    end as original_price,
    case
        when has_other_currency then null
        when price <> published_price then published_price
        else published_previous_price
    end as previous_price,
    case
        when is_spell_start or has_other_currency then price
        else least(published_lowest_price, price)
    end as lowest_price,
    case
        when price <> published_price or (has_other_currency and num_nulls(price, published_price) = 0) then observed_at
        else published_price_changed_at
    end as price_changed_at,
    coalesce(published_relisted_from, relisted_from) as relisted_from,
    relisted_listing_id,
    relisted_price,
    case change_type
        when 'relisted' then relisted_days_on_market
        when 'reactivated'
            then
                {{ days_on_market(
                    'published_earlier_days_on_market', 'published_spell_started_at', 'published_removed_at'
                ) }}
        else coalesce(published_earlier_days_on_market, 0)
    end as earlier_days_on_market,
    case
        when is_spell_start then '{}'
        when has_other_currency then published_significant_baseline - 'price'
        else published_significant_baseline
    end as significant_baseline,
    case
        when published_version is null then 1
        when change_type is null then published_version
        else published_version + 1
    end as version,
    case
        when is_spell_start then array[scope]
        when scope = any(published_scopes) then published_scopes
        else published_scopes || scope
    end as scopes,
    coalesce(published_first_seen_at, observed_at) as first_seen_at,
    case change_type
        when 'reactivated' then published_spell_number + 1
        else coalesce(published_spell_number, 1)
    end as spell_number,
    case when is_spell_start then observed_at else published_spell_started_at end as spell_started_at,
    observed_at as decided_at,
    case when change_type is null then published_observed_at else observed_at end as observed_at,
    case when change_type is null then published_last_session_id else session_id end as last_session_id
from classified
where
    change_type is not null
    or price_verdict is not null
    or row_hash is distinct from published_row_hash
    or scope <> all(published_scopes)
    or quality_flags is distinct from published_quality_flags
