-- name: take_publish_lock
-- Waits for the lock under which published tables change; ends with the transaction.
select pg_advisory_xact_lock(20558, hashtext(current_schema()));

-- name: session
-- A session and where it stands, locked until the transaction ends.
select session_id, source, scope, status from scrape_sessions where session_id = %(session_id)s for update;

-- name: has_views
-- Whether dbt has built the views that say what a rollback does.
select to_regclass('int_listing_compensations') is not null;

-- name: prepare_restored
-- Puts down the live rows as the project's models would leave them.
create temporary table restored on commit drop as
select * from int_listings_restored where session_id = %(session_id)s;

-- name: prepare_compensations
-- Puts down the rows that the feed gets.
create temporary table compensations on commit drop as
select * from int_listing_compensations where session_id = %(session_id)s;

-- name: later_changes
-- Sessions that built on what this one did to listings: changed, continued or removed them, counting its absences.
select later.session_id, array_agg(distinct live.source_listing_id order by live.source_listing_id) as listings
from (
    select property_id, max(undone_sequence) as sequence, false as is_absence
    from compensations
    group by property_id
    union all
    select missing.property_id, missing.sequence, true as is_absence
    from sync_sessions as taken
    inner join property_changes as missing on taken.sync_id = missing.sync_id and taken.session_id = missing.session_id
    where taken.session_id = %(session_id)s and missing.is_published and missing.change_type = 'missing'
) as own
inner join properties_live as live on own.property_id = live.property_id
inner join
    lateral (
        select changes.session_id, changes.sequence from property_changes as changes
        where
            changes.property_id = own.property_id
            and changes.is_published
            and case when own.is_absence then changes.change_type = 'removed' else changes.change_type <> 'missing' end
            and changes.session_id <> %(session_id)s
            and changes.sequence > own.sequence
        union all
        select continuing.session_id, continuing.sequence
        from properties_live as continuation
        inner join property_changes as continuing on continuation.property_id = continuing.property_id
        where
            continuation.relisted_from = own.property_id
            and continuing.change_type = 'relisted'
            and continuing.is_published
            and continuing.session_id <> %(session_id)s
            and continuing.sequence > own.sequence
    ) as later on true
inner join scrape_sessions as sessions on later.session_id = sessions.session_id
where sessions.status <> 'rolled_back'
group by later.session_id
order by max(later.sequence) desc;

-- name: not_kept
-- Listings that the session changed without a trace of what it replaced: it was published by an older version.
select count(distinct feed.property_id)
from sync_sessions as taken
inner join property_changes as feed on taken.sync_id = feed.sync_id and taken.session_id = feed.session_id
where
    taken.session_id = %(session_id)s
    and feed.is_published
    and feed.change_type in ('updated', 'removed', 'reactivated')
    and not exists (
        select 1 from replaced_listings as replaced
        where replaced.property_id = feed.property_id and replaced.session_id = feed.session_id
    );

-- name: counts
-- What the rollback does: listings by kind, and rows of feed and sightings.
select
    (select count(*) from restored where is_versioned) as restored,
    (select count(*) from compensations where change_type = 'retracted') as retracted,
    (select count(*) from restored where not is_versioned) as adjusted,
    (select count(*) from compensations) as feed_rows,
    (select count(*) from listing_sightings where session_id = %(session_id)s) as sightings;

-- name: open_rollback
-- The run log's row of the rollback, a version of its own; the feed's rows refer to it.
insert into sync_metadata (
    sync_id, invocation_id, sync_kind, status, published_at, finished_at, base_version, version, candidate_sessions,
    candidate_changes, candidate_listings, updated, removed
)
select
    %(sync_id)s, %(sync_id)s, 'rollback', 'complete', now(), now(), published.version, published.version + 1,
    array[%(session_id)s::uuid], %(feed_rows)s, %(restored)s + %(retracted)s + %(adjusted)s, %(restored)s, %(retracted)s
from (select coalesce(max(version), 0) as version from sync_metadata) as published;

-- name: write_feed
-- Adds the compensating rows, in the order in which what they undo was published.
insert into property_changes
select written.*
from (
    select
        compensations.*,
        nextval('property_changes_sequence') as sequence
    from (
        select * from compensations order by undone_sequence, property_id, change_type, field_name
    ) as compensations
) as numbered
cross join
    lateral jsonb_populate_record(
        null::property_changes,
        to_jsonb(numbered)
        || jsonb_build_object('sync_id', %(sync_id)s::uuid, 'is_published', true, 'detected_at', now())
    ) as written;

-- name: close_versions
-- Ends the version that is undone: one microsecond after it began, unless what comes back was observed later.
update properties_history as undone
set valid_to = greatest(restored.observed_at, undone.valid_from + interval '1 microsecond')
from restored
where undone.property_id = restored.property_id and undone.valid_to is null and restored.is_versioned;

-- name: open_versions
-- Begins a version with what comes back, where the one that is undone ended.
insert into properties_history
select opened.*
from restored
inner join properties_history as undone
    on restored.property_id = undone.property_id and restored.version - 1 = undone.version
cross join
    lateral jsonb_populate_record(
        null::properties_history,
        to_jsonb(restored) || jsonb_build_object(
            'history_id', md5(restored.property_id || '|' || restored.version),
            'recorded_at', restored.observed_at,
            'valid_from', undone.valid_to,
            'valid_to', null
        )
    ) as opened
where restored.is_versioned;

-- name: forget_versions
-- Takes versions of listings that are no longer published out of the history; the feed keeps what they said.
delete from properties_history as undone
using compensations
where compensations.change_type = 'retracted' and undone.property_id = compensations.property_id;

-- name: clear_live
-- Makes room for the live rows as they come back; listings that the session created go.
delete from properties_live as live
where
    live.property_id in (select property_id from restored)
    or live.property_id in (select property_id from compensations where change_type = 'retracted');

-- name: write_live
-- Puts the live rows back.
insert into properties_live
select live.*
from restored
cross join lateral jsonb_populate_record(null::properties_live, to_jsonb(restored)) as live;

-- name: forget_sightings
-- What the session saw no longer counts as seen.
delete from listing_sightings where session_id = %(session_id)s;

-- name: forget_replaced
-- What the session replaced stands in the live table again.
delete from replaced_listings where session_id = %(session_id)s;

-- name: undo_erasures
-- Lets personal data of the session's listings become due again: a spell that was blanked may have got names since.
update personal_data_erasures as erased set undone_at = now()
where
    erased.undone_at is null
    and (
        erased.property_id in (select property_id from restored)
        or erased.property_id in (select property_id from compensations)
    );

-- name: move_on
-- Ends the session's life; no sync takes it again, but its rows are searched again for what was blanked.
update scrape_sessions set status = 'rolled_back', personal_data_checked_at = null
where session_id = %(session_id)s and status = 'complete';

-- name: audit
-- Leaves a trace of what was undone.
insert into admin_audit_log (action, target, details)
values ('rollback', %(session_id)s::uuid::text, %(details)s);

-- name: record_sequence
-- Tells the run log where the rollback ends in the feed.
update sync_metadata
set last_sequence = (select max(sequence) from property_changes where sync_id = %(sync_id)s)
where sync_id = %(sync_id)s;

-- name: notify
-- Tells listeners that there is something to read.
select pg_notify(
    'property_changes',
    json_build_object(
        'sync_id', sync_id, 'sync_kind', sync_kind, 'version', version, 'last_sequence', last_sequence,
        'updated', updated, 'removed', removed
    )::text
)
from sync_metadata where sync_id = %(sync_id)s;
