{{ config(
    unique_key='property_id',
    indexes=[
        {'columns': ['source', 'listing_status']},
        {'columns': ['city', 'property_type', 'price']},
        {'columns': ['listing_status', 'price']},
        {'columns': ['latitude', 'longitude']},
        {'columns': ['search_vector'], 'type': 'gin'},
    ],
    pre_hook=["{{ guard_run() }}", "{{ guard_candidates() }}"],
    post_hook="{{ publish() }}",
) }}
-- depends_on: {{ ref('property_changes') }}
-- depends_on: {{ ref('int_session_counts') }}
-- depends_on: {{ ref('int_rule_violations') }}
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

kept as (

    select
        property_id,
        source_listing_id,
        source,
        'active' as listing_status,
        {%- for field in listing_fields() %}
        {{ field }},
        {%- endfor %}
        attributes,
        quality_flags,
        scopes,
        row_hash,
        version,
        spell_number,
        first_seen_at,
        spell_started_at,
        null::timestamptz as removed_at,
        observed_at,
        last_session_id
    from changed

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
    first_seen_at,
    spell_started_at,
    removed_at,
    observed_at,
    last_session_id,
    setweight(to_tsvector('simple', coalesce(title, '')), 'A')
    || setweight(to_tsvector('simple', concat_ws(' ', street_address, city, region, postal_code, property_type)), 'B')
    || setweight(to_tsvector('simple', left(coalesce(description, ''), 50000)), 'C') as search_vector,
    true as is_published
from unioned
