-- Before each session: no intermediate tables, and statistics and free space as autovacuum would leave them.
drop table if exists by_hand.observed, by_hand.flagged, by_hand.changed, by_hand.field_changes, by_hand.removed;
vacuum analyze properties_live, property_changes, properties_history, listing_sightings;
vacuum analyze by_hand.properties_live, by_hand.property_changes, by_hand.properties_history, by_hand.listing_sightings;
