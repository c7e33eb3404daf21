with

listings as not materialized (

    select * from {{ ref('int_listings_observed') }}
    where evidence is null

),

published as not materialized (

    select * from {{ ref('stg_published_listings') }}

),

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

texts as (

    select * from {{ ref('stg_scraped_texts') }}

),

-- Materialized, so that names are turned into positions once and not once per listing.
rules as materialized (

    select
        *,
        {{ field_position('field_name') }} as field_position,
        {{ attribute_name('field_name') }} as attribute_name,
        {{ field_position('other_field') }} as other_position,
        {{ attribute_name('other_field') }} as other_attribute,
        {{ is_text_field('field_name') }} as is_text_field
    from {{ ref('stg_validation_rules') }}
    where is_enabled

),

broken_alone as (

    select
        listings.session_id,
        listings.property_id,
        rules.rule_name,
        case rules.rule_type
            when 'geo_bounds' then concat_ws(', ', listings.latitude, listings.longitude)
            when 'compare' then format('%s (%s: %s)', found.text_value, rules.other_field, found.other_text)
            else found.text_value
        end as found_value
    from listings
    cross join rules
    -- Each value is worked out where a rule asks for it, not before.
    cross join
        lateral ( -- noqa: ST05
            select
                {{ field_is_missing('listings', 'rules.field_position', 'rules.attribute_name') }} as is_missing,
                {{ field_as_text('listings', 'rules.field_position', 'rules.attribute_name') }} as text_value,
                {{ field_as_number('listings', 'rules.field_position', 'rules.attribute_name') }} as number_value,
                {{ field_as_text('listings', 'rules.other_position', 'rules.other_attribute') }} as other_text,
                {{ field_as_number('listings', 'rules.other_position', 'rules.other_attribute') }} as other_number
        ) as found
    where {{ breaks_rule('rules', 'found', 'listings') }}

),

numbers_to_limit as (

    select
        listings.session_id,
        listings.property_id,
        rules.rule_name,
        rules.max_relative,
        rules.max_absolute,
        {{ field_as_text('listings', 'rules.field_position', 'rules.attribute_name') }} as text_value,
        {{ field_as_number('listings', 'rules.field_position', 'rules.attribute_name') }} as number_value,
        -- Amounts of two currencies are not compared.
        case
            when rules.field_name = 'price' and {{ is_other_currency('listings.currency', 'last_value.currency') }}
                then null
            else last_value.number_value
        end as published_value
    from rules
    cross join listings
    -- Looked up by key for rules of this type alone: without one the live table is not read.
    cross join
        lateral (
            select
                {{ field_as_number('published', 'rules.field_position', 'rules.attribute_name') }} as number_value,
                published.currency
            from published
            where published.property_id = listings.property_id
            offset 0 -- noqa: AM09
        ) as last_value
    where rules.rule_type = 'change_limit'

),

changed_too_much as (

    select
        session_id,
        property_id,
        rule_name,
        format('%s (published: %s)', text_value, published_value) as found_value
    from numbers_to_limit
    where
        abs(number_value - published_value) > max_absolute
        or (
            published_value <> 0
            and abs(number_value - published_value) > max_relative * abs(published_value)
        )

),

values_to_share as (

    select
        listings.session_id,
        listings.property_id,
        rules.rule_name,
        {{ field_as_text('listings', 'rules.field_position', 'rules.attribute_name') }} as own_value,
        array(
            {%- set other = 'others.field_name' %}
            select {{ field_as_text('listings', field_position(other), attribute_name(other)) }}
            from unnest(rules.with_fields) with ordinality as others (field_name, field_number)
            order by others.field_number
        ) as other_values
    from rules
    cross join listings
    where rules.rule_type = 'unique_in_session'

),

counted as (

    select
        *,
        count(*) over (partition by session_id, rule_name, own_value, other_values) as listing_count
    from values_to_share
    where own_value is not null and array_position(other_values, null) is null

),

shared as (

    select
        session_id,
        property_id,
        rule_name,
        concat_ws(', ', own_value, nullif(array_to_string(other_values, ', '), '')) as found_value
    from counted
    where listing_count > 1

),

broken as (

    select * from broken_alone
    union all
    select * from changed_too_much
    union all
    select * from shared

),

described as (

    select
        listings.sync_id,
        broken.session_id,
        broken.property_id,
        broken.rule_name,
        rules.field_name,
        rules.rule_type,
        rules.severity,
        rules.field_position,
        rules.attribute_name,
        broken.found_value,
        rules.rule_version,
        {{ field_is_unseen('listings', 'rules.field_name') }} as is_unseen,
        listings.observed_at
    from broken
    inner join rules on broken.rule_name = rules.rule_name
    inner join listings
        on
            broken.session_id = listings.session_id
            and broken.property_id = listings.property_id

),

-- A required field that this observation could not carry is not missing when an earlier one carried it. Materialized,
-- so that the live table is read once at most, however few violations are expected.
known_before as materialized (

    select
        described.session_id,
        described.property_id,
        described.rule_name
    from described
    inner join published on described.property_id = published.property_id
    where
        described.rule_type = 'required'
        and described.is_unseen
        and not {{ field_is_missing('published', 'described.field_position', 'described.attribute_name') }}

)

select
    described.sync_id,
    described.session_id,
    described.property_id,
    described.rule_name,
    described.field_name,
    described.rule_type,
    described.severity,
    left(
        case
            when described.found_value is null and described.rule_type = 'type'
                then (
                    -- What could not be read stands in the raw row: looked up by key, for these listings alone.
                    select to_jsonb(texts) ->> (described.field_name || '_text')
                    from sessions
                    inner join texts
                        on
                            sessions.session_id = texts.session_id
                            and sessions.opened_at = texts.landed_at
                    where
                        sessions.session_id = described.session_id
                        and texts.property_id = described.property_id
                        and to_jsonb(texts) ->> (described.field_name || '_text') ~ '\S'
                    order by (texts.observation_kind = 'card'), texts.row_no
                    limit 1
                )
            else described.found_value
        end, 500
    ) as found_value,
    described.rule_version,
    described.observed_at
from described
left join known_before
    on
        described.session_id = known_before.session_id
        and described.property_id = known_before.property_id
        and described.rule_name = known_before.rule_name
where known_before.rule_name is null
