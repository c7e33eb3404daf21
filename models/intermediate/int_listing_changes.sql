{{ config(materialized='view') }}

with

changed as (

    select * from {{ ref('int_listings_changed') }}

),

field_changes as (

    select * from {{ ref('int_field_changes') }}

),

missing as (

    select * from {{ ref('int_listings_missing') }}
    where outcome <> 'suppressed'

),

sessions as (

    select
        gated.session_id,
        {{ session_coverage('gated') }} as coverage
    from {{ ref('int_sessions_gated') }} as gated

),

tracked_fields as (

    select * from {{ ref('tracked_fields') }}

),

appearances as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        changed.change_type,
        null::text as field_name,
        case
            when changed.change_type = 'relisted'
                then
                    jsonb_strip_nulls(jsonb_build_object(
                        'property_id', changed.relisted_from,
                        'source_listing_id', changed.relisted_listing_id,
                        'price', changed.relisted_price
                    ))
        end as old_value,
        {{ listing_as_json('changed') }} as new_value,
        true as is_significant,
        {{ change_confidence('changed.change_type', 1, 0, 'sessions.coverage', 0) }} as confidence,
        'applied' as status,
        case
            when changed.change_type = 'relisted'
                then format('the home of %s under another id', changed.relisted_listing_id)
        end as reason,
        null::text as removal_reason,
        false as is_incomparable,
        changed.observed_at
    from changed
    inner join sessions on changed.session_id = sessions.session_id
    where changed.change_type in ('created', 'relisted', 'reactivated')

),

field_updates as (

    select
        field_changes.sync_id,
        field_changes.session_id,
        field_changes.property_id,
        field_changes.source,
        field_changes.scope,
        'updated' as change_type,
        field_changes.field_name,
        field_changes.old_value,
        field_changes.new_value,
        field_changes.is_significant,
        field_changes.confidence,
        'applied' as status,
        case
            when field_changes.field_name = 'price' and changed.price_verdict = 'confirmed'
                then
                    format(
                        'confirmed: held since %s',
                        to_char(changed.pending_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
                    )
        end as reason,
        null::text as removal_reason,
        field_changes.is_incomparable,
        field_changes.observed_at
    from field_changes
    inner join changed on field_changes.property_id = changed.property_id

),

suspects as (

    select
        *,
        {{ is_other_currency(
            "case price_verdict when 'held' then held_currency else pending_currency end", 'published_currency'
        ) }} as has_suspect_currency
    from changed
    where price_verdict in ('held', 'dropped')

),

-- What was not published, and why, is part of the audit.
price_verdicts as (

    select
        changed.sync_id,
        changed.session_id,
        changed.property_id,
        changed.source,
        changed.scope,
        'held' as change_type,
        'price' as field_name,
        to_jsonb(changed.published_price) as old_value,
        to_jsonb(case changed.price_verdict when 'held' then changed.held_price else changed.pending_price end)
            as new_value,
        changed.price_verdict = 'held' as is_significant,
        {{ change_confidence(
            "'held'", 'tracked_fields.reliability',
            'case when changed.has_suspect_currency then 1 else '
            ~ 'abs(coalesce(changed.held_price, changed.pending_price) / nullif(changed.published_price, 0) - 1) end',
            'sessions.coverage', 0
        ) }} as confidence,
        changed.price_verdict as status,
        case
            when changed.price_verdict = 'dropped'
                then coalesce('the next observation says ' || changed.price, 'the next observation says no price')
            when changed.pending_price is not null and changed.has_suspect_currency
                then
                    format(
                        'in %s; replaces the held price of %s',
                        changed.held_currency, concat_ws(' ', changed.pending_price, changed.pending_currency)
                    )
            when changed.pending_price is not null
                then format('replaces the held price of %s', changed.pending_price)
            else 'a move beyond the limit; the next observation decides'
        end as reason,
        null::text as removal_reason,
        changed.has_suspect_currency as is_incomparable,
        changed.decided_at as observed_at
    from suspects as changed
    inner join sessions on changed.session_id = sessions.session_id
    inner join tracked_fields on tracked_fields.field_name = 'price'

),

absences as (

    select
        missing.sync_id,
        missing.session_id,
        missing.property_id,
        missing.source,
        missing.scope,
        case when missing.outcome = 'removed' then 'removed' else 'missing' end as change_type,
        null::text as field_name,
        null::jsonb as old_value,
        null::jsonb as new_value,
        missing.outcome = 'removed' as is_significant,
        {{ change_confidence(
            "'removed'", 1, 0, 'sessions.coverage',
            "case missing.removal_reason when 'absent' then missing.absences - 1 when 'gone' then 2 else 3 end"
        ) }} as confidence,
        'applied' as status,
        case
            when missing.outcome = 'over_limit' then 'over the removal limit of the scope'
            when missing.removal_reason = 'sold' then 'its page says it is sold'
            when missing.removal_reason = 'gone' then 'its page is gone'
            when missing.removal_reason = 'retired' then 'scope retired'
            else format('absent from %s complete sessions', missing.absences)
        end as reason,
        case when missing.outcome = 'removed' then missing.removal_reason end as removal_reason,
        false as is_incomparable,
        missing.observed_at
    from missing
    inner join sessions on missing.session_id = sessions.session_id

)

select * from appearances
union all
select * from field_updates
union all
select * from price_verdicts
union all
select * from absences
