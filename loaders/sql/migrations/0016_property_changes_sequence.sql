-- Order of the change feed: growing, not gap-free.
create sequence property_changes_sequence;
