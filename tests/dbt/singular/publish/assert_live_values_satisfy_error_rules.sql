-- Detects a value of the live table that breaks an enabled rule of severity error, although the rule in its present
-- version was applied to the session that brought the value. Values published before a rule took effect are not asked,
-- nor those that a returning listing kept; rules about other rows or another time hold when a session is judged alone.
-- A returned row is such a listing with the rule and the session that brought the value.
-- depends_on: {{ ref('properties_history') }}

with

rules as materialized (

    select
        *,
        {{ field_position('field_name') }} as field_position,
        {{ attribute_name('field_name') }} as attribute_name,
        null::integer as other_position,
        null::text as other_attribute,
        {{ is_text_field('field_name') }} as is_text_field
    from {{ ref('stg_validation_rules') }}
    where
        is_enabled
        and severity = 'error'
        and rule_type in ('required', 'range', 'length', 'pattern', 'enum', 'type', 'geo_bounds')

),

live as (

    select
        *,
        array[]::text[] as unreadable_fields
    from {{ ref('properties_live') }}
    where listing_status = 'active'

),

feed as (

    select * from {{ ref('property_changes') }}
    where is_published and status = 'applied' and change_type in ('created', 'relisted', 'updated', 'reactivated')

),

evaluations as (

    select * from {{ ref('stg_rule_evaluations') }}

),

-- The change that brought the value that is live now.
brought as (

    select distinct on (feed.property_id, rules.rule_name)
        feed.property_id,
        feed.session_id,
        feed.sync_id,
        feed.change_type,
        rules.rule_name
    from feed
    inner join rules
        on
            feed.field_name is null
            or feed.field_name = rules.field_name
            or (rules.rule_type = 'geo_bounds' and feed.field_name in ('latitude', 'longitude'))
    order by feed.property_id asc, rules.rule_name asc, feed.sequence desc

)

select
    live.property_id,
    rules.rule_name,
    brought.session_id,
    case
        when rules.rule_type = 'geo_bounds' then concat_ws(', ', live.latitude, live.longitude)
        else found.text_value
    end as found_value
from brought
inner join rules on brought.rule_name = rules.rule_name
inner join live on brought.property_id = live.property_id
inner join evaluations
    on
        brought.sync_id = evaluations.sync_id
        and brought.session_id = evaluations.session_id
        and rules.rule_name = evaluations.rule_name
        and rules.rule_version = evaluations.rule_version
cross join
    lateral ( -- noqa: ST05
        select
            {{ field_is_missing('live', 'rules.field_position', 'rules.attribute_name') }} as is_missing,
            {{ field_as_text('live', 'rules.field_position', 'rules.attribute_name') }} as text_value,
            {{ field_as_number('live', 'rules.field_position', 'rules.attribute_name') }} as number_value,
            null::text as other_text,
            null::double precision as other_number
    ) as found
where
    brought.change_type <> 'reactivated'
    and {{ breaks_rule('rules', 'found', 'live') }}
