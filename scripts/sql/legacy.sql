-- name: land
-- Lands the legacy table as a session of source legacy, with the columns chosen for some fields; says how many rows.
select migrate_pulled_properties_to_live(%(chosen)s);

-- name: last_session
-- State, mapping and id of the last session that landed the legacy table, and why it is held back where it is.
select sessions.status, migrations.mapping, sessions.session_id, sessions.verdict_reason
from legacy_migrations as migrations
inner join scrape_sessions as sessions on migrations.session_id = sessions.session_id
order by migrations.landed_at desc
limit 1;

-- name: reconciliation
-- What became of each row of the legacy table; of the rows of one listing one counts, the others repeat it.
with legacy as (
    select *, row_number() over (partition by property_id order by row_no) as repetition
    from pulled_properties_rows(%(mapping)s)
),

accounted as (
    select
        case
            when legacy.reason_code is not null then 'without_id'
            when legacy.repetition > 1 then 'repeated'
            when live.listing_status = 'active' then 'active'
            when live.listing_status = 'removed' then 'removed'
            when held.is_held then 'held_back'
            when legacy.listing_status is not null then 'left_before'
            else 'unaccounted'
        end as outcome
    from legacy
    left join properties_live as live on legacy.property_id = live.property_id
    cross join lateral (
        select exists (
            select 1 from rule_violations as violations
            where
                violations.property_id = legacy.property_id
                and violations.session_id = %(session_id)s
                and violations.severity = 'error'
        ) as is_held
    ) as held
)

select
    count(*) as rows,
    count(*) filter (where outcome = 'active') as active,
    count(*) filter (where outcome = 'removed') as removed,
    count(*) filter (where outcome = 'held_back') as held_back,
    count(*) filter (where outcome = 'left_before') as left_before,
    count(*) filter (where outcome = 'repeated') as repeated,
    count(*) filter (where outcome = 'without_id') as without_id,
    count(*) filter (where outcome = 'unaccounted') as unaccounted
from accounted;

-- name: switch
-- Lets the view take the name of the legacy table; false when it has it already.
select switch_pulled_properties();

-- name: views_of_legacy_table
-- Views and materialized views that read the legacy table, except the one that took its name.
select distinct views.oid::regclass::text
from pg_depend as depend
inner join pg_rewrite as rules on depend.objid = rules.oid
inner join pg_class as views on rules.ev_class = views.oid
where
    depend.classid = 'pg_rewrite'::regclass
    and depend.refclassid = 'pg_class'::regclass
    and depend.refobjid = pulled_properties_table()
    and views.oid is distinct from to_regclass('pulled_properties')
order by 1;

-- name: restore
-- Gives the legacy table its name back; false when it has it already.
select restore_pulled_properties();
