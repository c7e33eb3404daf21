{{ config(
    unique_key='property_id',
    indexes=[
        {'columns': ['source', 'listing_status']},
        {'columns': ['city', 'property_type', 'price']},
        {'columns': ['listing_status', 'price']},
        {'columns': ['latitude', 'longitude']},
        {'columns': ['relisted_from']},
        {'columns': ['search_vector'], 'type': 'gin'},
    ],
    pre_hook=["{{ guard_run() }}", "{{ guard_candidates() }}", "{{ keep_replaced() }}"],
    post_hook="{{ publish() }}",
) }}
-- depends_on: {{ ref('property_changes') }}
-- depends_on: {{ ref('int_session_counts') }}
-- depends_on: {{ ref('int_rule_violations') }}
-- depends_on: {{ ref('int_frozen_violations') }}
-- depends_on: {{ ref('stg_validation_rules') }}

with

changed as (

    select * from {{ ref('int_listings_changed') }}

),

missing as (

    select * from {{ ref('int_listings_missing') }}
    where outcome = 'removed'

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

-- Per listing: fields that arrived at a significant value, and those that moved away from theirs a little.
drifts as (

    select
        property_id,
        array_agg(field_name) filter (where is_significant or (new_value is not distinct from significant_value))
            as settled_fields,
        jsonb_object_agg(field_name, coalesce(significant_value, 'null')) filter (
            where not is_significant and (new_value is distinct from significant_value)
        ) as drifting_from
    from {{ ref('int_field_changes') }}
    group by property_id

),

kept as (

    select
        changed.property_id,
        changed.source_listing_id,
        changed.source,
        'active' as listing_status,
        {%- for field in listing_fields() %}
        changed.{{ field }},
        {%- endfor %}
        changed.attributes,
        changed.quality_flags,
        changed.scopes,
        changed.row_hash,
        changed.version,
        changed.spell_number,
        changed.first_price,
        changed.original_price,
        changed.previous_price,
        changed.lowest_price,
        changed.price_changed_at,
        changed.held_price,
        changed.held_currency,
        changed.held_at,
        changed.relisted_from,
        changed.earlier_days_on_market,
        changed.significant_baseline - coalesce(drifts.settled_fields, '{}')
        || coalesce(drifts.drifting_from, '{}') as significant_baseline,
        null::text as removal_reason,
        changed.first_seen_at,
        changed.spell_started_at,
        null::timestamptz as removed_at,
        changed.observed_at,
        changed.last_session_id
    from changed
    left join drifts on changed.property_id = drifts.property_id

),

removed as (

    select
        published.property_id,
        published.source_listing_id,
        published.source,
        'removed' as listing_status,
        {%- for field in listing_fields() %}
        published.{{ field }},
        {%- endfor %}
        published.attributes,
        published.quality_flags,
        published.scopes,
        published.row_hash,
        published.version + 1 as version,
        published.spell_number,
        published.first_price,
        published.original_price,
        published.previous_price,
        published.lowest_price,
        published.price_changed_at,
        published.held_price,
        published.held_currency,
        published.held_at,
        published.relisted_from,
        published.earlier_days_on_market,
        published.significant_baseline,
        missing.removal_reason,
        published.first_seen_at,
        published.spell_started_at,
        missing.observed_at as removed_at,
        missing.observed_at,
        missing.session_id as last_session_id
    from missing
    inner join published on missing.property_id = published.property_id

),

unioned as (

    select * from kept
    union all
    select * from removed

)

select
    property_id,
    source_listing_id,
    source,
    listing_status,
    {%- for field in listing_fields() %}
    {{ field }},
    {%- endfor %}
    attributes,
    quality_flags,
    scopes,
    row_hash,
    version,
    spell_number,
    first_price,
    original_price,
    previous_price,
    lowest_price,
    {{ price_cut('price', 'original_price') }} as cumulative_price_cut,
    price_changed_at,
    held_price,
    held_currency,
    held_at,
    relisted_from,
    earlier_days_on_market,
    significant_baseline,
    removal_reason,
    {{ standard_status('listing_status', 'removal_reason') }} as standard_status,
    first_seen_at,
    spell_started_at,
    removed_at,
    observed_at,
    last_session_id,
    {{ search_vector() }} as search_vector,
    true as is_published
from unioned
