-- Rows that the sync and the statements by hand do not have in common, by table. Ids and times of runs are left out,
-- and of the feed's numbering only its order counts.
with

feed as (

    select
        property_id, change_id, row_number() over (order by sequence) as position, is_published, session_id, source,
        scope, change_type, field_name, old_value, new_value, absolute_change, relative_change, is_significant,
        confidence, major_change_type, status, reason, removal_reason, observed_at
    from property_changes

),

feed_by_hand as (

    select
        property_id, change_id, row_number() over (order by sequence) as position, is_published, session_id, source,
        scope, change_type, field_name, old_value, new_value, absolute_change, relative_change, is_significant,
        confidence, major_change_type, status, reason, removal_reason, observed_at
    from by_hand.property_changes

)

select
    'properties_live' as table_name,
    (select count(*) from (table properties_live except all table by_hand.properties_live) as ours)
    + (select count(*) from (table by_hand.properties_live except all table properties_live) as theirs) as differences
union all
select
    'property_changes',
    (select count(*) from (table feed except all table feed_by_hand) as ours)
    + (select count(*) from (table feed_by_hand except all table feed) as theirs)
union all
select
    'properties_history',
    (select count(*) from (table properties_history except all table by_hand.properties_history) as ours)
    + (select count(*) from (table by_hand.properties_history except all table properties_history) as theirs)
union all
select
    'listing_sightings',
    (select count(*) from (table listing_sightings except all table by_hand.listing_sightings) as ours)
    + (select count(*) from (table by_hand.listing_sightings except all table listing_sightings) as theirs);
