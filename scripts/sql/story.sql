-- name: price_cuts
-- The deepest published price cuts.
select
    live.source_listing_id, live.title, live.city, live.currency,
    (changes.old_value #>> '{}')::numeric as old_price, (changes.new_value #>> '{}')::numeric as new_price,
    changes.relative_change, changes.observed_at
from property_changes as changes
inner join properties_live as live on changes.property_id = live.property_id
where changes.is_published and changes.field_name = 'price' and changes.relative_change < 0
order by changes.relative_change, live.source_listing_id
limit %(limit)s;

-- name: comebacks
-- Listings that were removed and came back, with the price they left and returned at.
select
    live.source_listing_id, live.title, live.city, live.currency, removals.removed_at,
    comebacks.observed_at as back_at, history.price as price_before, (comebacks.new_value ->> 'price')::numeric as price_after
from property_changes as comebacks
inner join properties_live as live on comebacks.property_id = live.property_id
cross join lateral (
    select max(observed_at) as removed_at from property_changes
    where property_id = comebacks.property_id and change_type = 'removed' and sequence < comebacks.sequence
) as removals
inner join properties_history as history
    on comebacks.property_id = history.property_id and comebacks.observed_at = history.valid_to
where comebacks.is_published and comebacks.change_type = 'reactivated'
order by comebacks.observed_at, live.source_listing_id;

-- name: life
-- Every change of one listing in feed order.
select
    changes.observed_at, changes.change_type, changes.field_name, changes.old_value, changes.new_value,
    changes.relative_change, changes.reason
from property_changes as changes
inner join properties_live as live on changes.property_id = live.property_id
where changes.is_published and live.source_listing_id = %(source_listing_id)s
order by changes.sequence;

-- name: changed_fields
-- Published updates by field.
select field_name, count(*) as updates
from property_changes
where is_published and change_type = 'updated'
group by field_name
order by count(*) desc, field_name;

-- name: live_listings
-- Listings of the live table by state.
select listing_status, count(*) as listings from properties_live group by listing_status order by listing_status;
