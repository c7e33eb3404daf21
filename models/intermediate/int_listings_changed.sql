{{ config(
    indexes=[{'columns': ['property_id'], 'unique': true}],
    post_hook="analyze {{ this }}",
) }}

with

compared as (

    select * from {{ ref('int_listings_compared') }}
    where outcome in ('created', 'reactivated', 'differs', 'touched')

),

observed as (

    select * from {{ ref('int_listings_observed') }}

),

published as (

    select * from {{ ref('stg_published_listings') }}

),

-- NULL where nothing is frozen, so that the question costs nothing for each field of each listing.
freezes as (

    select
        session_id,
        nullif(frozen_fields, '{}') as frozen_fields
    from {{ ref('int_sessions_gated') }}

),

-- The listing as it will be published: what this observation could not carry stays as it was.
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
        {{ value_to_publish(field, 'observed', 'published', 'freezes.frozen_fields') }} as {{ field }},
        {%- endfor %}
        jsonb_strip_nulls(coalesce(published.attributes, '{}') || observed.attributes) as attributes,
        compared.quality_flags,
        compared.observed_at,
        published.price as published_price,
        published.row_hash as published_row_hash,
        published.version as published_version,
        published.scopes as published_scopes,
        published.quality_flags as published_quality_flags,
        published.first_seen_at as published_first_seen_at,
        published.spell_number as published_spell_number,
        published.spell_started_at as published_spell_started_at,
        published.observed_at as published_observed_at,
        published.last_session_id as published_session_id,
        case when compared.outcome in ('differs', 'touched') then {{ listing_hash('published') }} end
            as fresh_published_hash
    from compared
    inner join observed
        on
            compared.session_id = observed.session_id
            and compared.property_id = observed.property_id
    inner join freezes on compared.session_id = freezes.session_id
    left join published on compared.property_id = published.property_id

),

hashed as (

    select
        *,
        {{ listing_hash('filled') }} as row_hash
    from filled

),

classified as (

    select
        *,
        case
            when outcome in ('created', 'reactivated') then outcome
            when row_hash <> fresh_published_hash then 'updated'
        end as change_type
    from hashed

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
    case
        when published_version is null then 1
        when change_type is null then published_version
        else published_version + 1
    end as version,
    case
        when change_type in ('created', 'reactivated') then array[scope]
        when scope = any(published_scopes) then published_scopes
        else published_scopes || scope
    end as scopes,
    coalesce(published_first_seen_at, observed_at) as first_seen_at,
    case change_type
        when 'created' then 1
        when 'reactivated' then published_spell_number + 1
        else published_spell_number
    end as spell_number,
    case
        when change_type in ('created', 'reactivated') then observed_at
        else published_spell_started_at
    end as spell_started_at,
    case when change_type is null then published_observed_at else observed_at end as observed_at,
    case when change_type is null then published_session_id else session_id end as last_session_id
from classified
where
    change_type is not null
    or row_hash is distinct from published_row_hash
    or scope <> all(published_scopes)
    or quality_flags is distinct from published_quality_flags
