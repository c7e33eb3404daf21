-- name: rules
-- Every rule with what it found in the last sync that applied it.
select
    rules.rule_name, rules.field_name, rules.rule_type, rules.rule_config, rules.severity, rules.is_enabled,
    rules.origin, rules.description, rules.rule_version, rules.updated_at, last_sync.evaluated_at,
    last_sync.evaluated_count, last_sync.violated_count
from validation_rules as rules
left join lateral (
    select
        evaluations.evaluated_at, sum(evaluations.evaluated_count)::bigint as evaluated_count,
        sum(evaluations.violated_count)::bigint as violated_count
    from rule_evaluations as evaluations
    where evaluations.rule_name = rules.rule_name
    group by evaluations.sync_id, evaluations.evaluated_at
    order by evaluations.evaluated_at desc, evaluations.sync_id
    limit 1
) as last_sync on true
order by rules.rule_name;

-- name: rule_names
-- The names of all rules.
select rule_name from validation_rules order by rule_name;

-- name: write_again
-- Writes a stored rule as it is, so that it is checked like a new one.
update validation_rules set rule_config = rule_config where rule_name = %(rule_name)s;

-- name: write_rule
-- Adds a rule, or puts another version in the place of the one with its name.
insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity, is_enabled, description)
values (
    %(rule_name)s, %(field_name)s, %(rule_type)s, %(rule_config)s, %(severity)s, %(is_enabled)s, %(description)s
)
on conflict (rule_name) do update
set
    field_name = excluded.field_name,
    rule_type = excluded.rule_type,
    rule_config = excluded.rule_config,
    severity = excluded.severity,
    is_enabled = excluded.is_enabled,
    description = excluded.description;

-- name: switch_rule
-- Switches a rule on or off where it is not so already.
update validation_rules set is_enabled = %(is_enabled)s
where rule_name = %(rule_name)s and is_enabled <> %(is_enabled)s
returning rule_version;

-- name: recent_sessions
-- The last sessions whose rows are still stored, newest first.
select session_id from scrape_sessions
where
    status in ('scraped', 'published', 'complete', 'quarantined')
    and session_kind <> 'replay'
    and rows_landed > 0
    and (%(source)s::text is null or source = %(source)s)
    and exists (
        select 1 from property_scrapes_staging as staged
        where staged.session_id = scrape_sessions.session_id and staged.landed_at = scrape_sessions.opened_at
    )
order by observed_at desc, session_id
limit %(limit)s;

-- name: set_open_syncs_aside
-- Makes room for the rehearsal, which is rolled back: only one sync is open at a time.
update sync_metadata set status = 'failed' where status in ('running', 'published');

-- name: open_rehearsal
-- A sync of past sessions that is never published.
insert into sync_metadata (sync_id, invocation_id, base_version)
select %(sync_id)s, %(sync_id)s, coalesce(max(version), 0) from sync_metadata;

-- name: take_sessions
-- The sessions of the rehearsal.
insert into sync_sessions (sync_id, session_id) select %(sync_id)s, unnest(%(session_ids)s);

-- name: rehearsed
-- What the rules flagged by session, beside what is kept of earlier evaluations of rules with the same name.
select
    rules.rule_name,
    sessions.session_id,
    sessions.source,
    sessions.scope,
    sessions.observed_at,
    observed.listing_count as evaluated,
    coalesce(found.listing_count, 0) as flagged,
    coalesce(found.listing_count, 0)::double precision / nullif(observed.listing_count, 0) as share,
    (
        select sum(evaluations.violated_count)::bigint from rule_evaluations as evaluations
        where
            evaluations.session_id = sessions.session_id
            and evaluations.rule_name = rules.rule_name
            and evaluations.evaluated_at = (
                select max(latest.evaluated_at) from rule_evaluations as latest
                where latest.session_id = sessions.session_id
            )
    ) as flagged_then,
    coalesce(found.examples, '[]') as examples
from rehearsed_rules as rules
cross join scrape_sessions as sessions
inner join (
    select session_id, count(*) as listing_count from rehearsed_listings group by session_id
) as observed on sessions.session_id = observed.session_id
left join (
    select
        violations.session_id,
        violations.rule_name,
        count(*) as listing_count,
        jsonb_path_query_array(
            jsonb_agg(
                jsonb_build_object(
                    'source_listing_id', listings.source_listing_id, 'found_value', violations.found_value
                ) order by listings.source_listing_id
            ),
            '$[0 to 2]'
        ) as examples
    from rehearsed_violations as violations
    inner join rehearsed_listings as listings
        on violations.session_id = listings.session_id and violations.property_id = listings.property_id
    group by violations.session_id, violations.rule_name
) as found on sessions.session_id = found.session_id and rules.rule_name = found.rule_name
order by rules.rule_name, sessions.observed_at desc, sessions.session_id;
