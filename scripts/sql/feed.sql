-- name: changes
-- Published rows of the change feed after a sequence number, in order; each filter that is NULL lets all pass.
select
    changes.sequence, changes.observed_at, changes.source,
    coalesce(live.source_listing_id, changes.old_value ->> 'source_listing_id') as source_listing_id, changes.property_id,
    changes.change_type, changes.field_name, changes.old_value, changes.new_value, changes.relative_change,
    changes.is_significant, changes.confidence, changes.major_change_type, changes.status, changes.reason,
    changes.session_id
from property_changes as changes
left join properties_live as live on changes.property_id = live.property_id
where
    changes.is_published
    and changes.sequence > %(since)s
    and (%(source)s::text is null or changes.source = %(source)s)
    and (%(change_types)s::text [] is null or changes.change_type = any(%(change_types)s))
    and (%(field_names)s::text [] is null or changes.field_name = any(%(field_names)s))
    and (not %(only_significant)s or changes.is_significant)
order by changes.sequence
limit %(limit)s;

-- name: latest_changes_begin
-- The sequence number after which lie the last published rows that pass the filters, as many as the limit.
select coalesce(min(sequence), 1) - 1
from (
    select changes.sequence
    from property_changes as changes
    where
        changes.is_published
        and (%(source)s::text is null or changes.source = %(source)s)
        and (%(change_types)s::text [] is null or changes.change_type = any(%(change_types)s))
        and (%(field_names)s::text [] is null or changes.field_name = any(%(field_names)s))
        and (not %(only_significant)s or changes.is_significant)
    order by changes.sequence desc
    limit %(limit)s
) as latest;

-- name: has_feed
-- Whether a sync has created the feed yet.
select to_regclass('property_changes') is not null;

-- name: listings_by_name
-- Listings whose id, or whose id at the portal, is the one asked for.
select property_id, source, source_listing_id
from properties_live
where
    (property_id::text like %(name)s || '%%' or source_listing_id = %(name)s)
    and (%(source)s::text is null or source = %(source)s)
order by source, source_listing_id
limit 11;

-- name: listing
-- The live row of a listing, as far as its life is concerned.
select
    live.property_id, live.source, live.source_listing_id, live.title, live.url, live.listing_status,
    live.standard_status, live.removal_reason, live.price, live.currency, live.first_price, live.original_price,
    live.previous_price, live.lowest_price, live.cumulative_price_cut, live.held_price,
    live.held_currency, live.held_at,
    live.first_seen_at, live.spell_number, live.spell_started_at, live.removed_at,
    floor(extract(epoch from coalesce(live.removed_at, now()) - live.spell_started_at) / 86400)::integer
        as days_on_market,
    floor(extract(epoch from coalesce(live.removed_at, now()) - live.spell_started_at) / 86400)::integer
    + live.earlier_days_on_market as cumulative_days_on_market,
    live.relisted_from, earlier.source_listing_id as relisted_from_listing_id,
    (select max(sightings.observed_at) from listing_sightings as sightings where sightings.property_id = live.property_id)
        as last_confirmed_at
from properties_live as live
left join properties_live as earlier on live.relisted_from = earlier.property_id
where live.property_id = %(property_id)s;

-- name: listing_changes
-- Everything published about a listing, in order.
select
    sequence, observed_at, change_type, field_name, old_value, new_value, relative_change, is_significant,
    confidence, status, reason
from property_changes
where property_id = %(property_id)s and is_published
order by sequence;

-- name: listing_prices
-- The prices a listing was published with, each from the version on that brought it.
select valid_from, price, currency, listing_status
from (
    select
        version, valid_from, price, currency, listing_status,
        lag(price) over (order by version) as price_before,
        lag(listing_status) over (order by version) as status_before
    from properties_history
    where property_id = %(property_id)s
) as versions
where
    version = 1
    or price is distinct from price_before
    or listing_status is distinct from status_before
order by version;
