-- Copies of the published tables, with the same indexes, for the statements by hand to work on.
create schema by_hand;

create table by_hand.properties_live (like properties_live including all) with (fillfactor = 90);
insert into by_hand.properties_live select * from properties_live;

create table by_hand.property_changes (like property_changes including all);
insert into by_hand.property_changes select * from property_changes;
create sequence by_hand.property_changes_sequence;
select setval('by_hand.property_changes_sequence', max(sequence)) from property_changes;

create table by_hand.properties_history (like properties_history including all);
insert into by_hand.properties_history select * from properties_history;

create table by_hand.listing_sightings (like listing_sightings including all);
insert into by_hand.listing_sightings select * from listing_sightings;
