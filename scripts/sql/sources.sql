-- name: verdict
-- What the gate said of one session; the verdict is NULL before it was asked.
select session_id, source, scope, status, observed_at, published_at, is_forced, verdict
from scrape_sessions
where session_id = %(session_id)s;

-- name: scopes
-- Scopes of a source in which something landed, and whether each is retired.
select distinct sessions.scope, retired.scope is not null as is_retired
from scrape_sessions as sessions
left join retired_scopes as retired on sessions.source = retired.source and sessions.scope = retired.scope
where sessions.source = %(source)s
order by sessions.scope;

-- name: living_crawl
-- A crawl that is reading the scope at this moment.
select session_id
from scrape_sessions
where source = %(source)s and scope = %(scope)s and status = 'running' and is_crawl_alive(session_id)
order by opened_at, session_id
limit 1;

-- name: published
-- Whether anything was ever published.
select to_regclass('properties_live') is not null;

-- name: expected_removals
-- What retiring a scope takes off: listings that no other living scope lists, beside those that stay, and the limit.
select
    count(*) filter (where is_listed_here and not is_listed_elsewhere) as removed,
    count(*) filter (where is_listed_here and is_listed_elsewhere) as kept,
    count(*) as active,
    (select max_removal_share from sources where source = %(source)s) as max_removal_share
from (
    select
        %(scope)s = any(live.scopes) as is_listed_here,
        exists (
            select 1 from unnest(live.scopes) as listed (scope)
            where
                listed.scope <> %(scope)s
                and not exists (
                    select 1 from retired_scopes as retired
                    where retired.source = live.source and retired.scope = listed.scope
                )
        ) as is_listed_elsewhere
    from properties_live as live
    where live.source = %(source)s and live.listing_status = 'active'
) as listings;

-- name: retire_scope
-- Marks a scope as no longer crawled.
insert into retired_scopes (source, scope) values (%(source)s, %(scope)s);

-- name: permit_mass_removal
-- The order to retire a scope is the permission to remove what it alone lists.
update scrape_sessions set allows_mass_removal = true where session_id = %(session_id)s;

-- name: restore_scope
-- Lets a retired scope be crawled again.
delete from retired_scopes where source = %(source)s and scope = %(scope)s;

-- name: audit
-- Keeps who did what.
insert into admin_audit_log (action, target, details) values (%(action)s, %(target)s, %(details)s);

-- name: create_rekeyed
-- Holds the mapping of a file until it is checked.
create temporary table rekeyed (line_no bigint not null, old_id text not null, new_id text not null) on commit drop;

-- name: copy_rekeyed
-- Loads the mapping of a file.
copy rekeyed (line_no, old_id, new_id) from stdin;

-- name: create_resolved
-- The mapping with keys: an old id may itself lead to a listing that was published under an older one.
create temporary table resolved on commit drop as
select
    rekeyed.line_no,
    rekeyed.old_id,
    rekeyed.new_id,
    coalesce(older.property_id, keys.old_property_id) as property_id,
    keys.landed_property_id
from rekeyed
cross join lateral (
    select
        md5(%(source)s || '|' || rekeyed.old_id)::uuid as old_property_id,
        md5(%(source)s || '|' || rekeyed.new_id)::uuid as landed_property_id
) as keys
left join listing_id_aliases as older on keys.old_property_id = older.landed_property_id;

-- name: rekey_problems
-- Why a mapping cannot be used: lines by problem, with the first of them as an example.
select problem, count(*) as lines, min(line_no) as line_no, (array_agg(example order by line_no))[1] as example
from (
    select 'the old and the new id are the same' as problem, line_no, old_id as example
    from resolved
    where old_id = new_id
    union all
    select 'the old id stands in an earlier line, too', line_no, old_id
    from (select *, row_number() over (partition by old_id order by line_no) as repetition from resolved) as repeated
    where repetition > 1
    union all
    select 'the new id stands in an earlier line, too', line_no, new_id
    from (select *, row_number() over (partition by new_id order by line_no) as repetition from resolved) as repeated
    where repetition > 1
    union all
    select 'no listing was published under the old id', resolved.line_no, resolved.old_id
    from resolved
    where not exists (
        select 1 from properties_live as live
        where live.property_id = resolved.property_id and live.source = %(source)s
    )
    union all
    select 'the new id is published as another listing', resolved.line_no, resolved.new_id
    from resolved
    inner join properties_live as live on resolved.landed_property_id = live.property_id
    where resolved.old_id <> resolved.new_id
    union all
    select 'the new id is mapped to another listing', resolved.line_no, resolved.new_id
    from resolved
    inner join listing_id_aliases as aliases on resolved.landed_property_id = aliases.landed_property_id
    where resolved.property_id <> aliases.property_id
) as problems
group by problem
order by min(line_no), problem;

-- name: rekey
-- Keeps the new ids with the listings they lead to; those that are known already stay.
insert into listing_id_aliases (landed_property_id, property_id, source, source_listing_id, published_listing_id)
select resolved.landed_property_id, resolved.property_id, live.source, resolved.new_id, live.source_listing_id
from resolved
inner join properties_live as live on resolved.property_id = live.property_id
on conflict (landed_property_id) do nothing;

-- name: quarantined_sessions
-- Quarantined sessions of a source, oldest first.
select session_id from scrape_sessions
where source = %(source)s and status = 'quarantined'
order by observed_at, session_id;
