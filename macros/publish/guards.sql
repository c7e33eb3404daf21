{#-
    First statement of every transaction that changes published tables: takes the publish lock and refuses when
    another run took over, when something was published since the comparison, or when the database lost the
    intermediate tables in a crash.
-#}
{% macro guard_run() %}
do $guard$
declare
    open_sync {{ target.schema }}.sync_metadata;
begin
    {{ take_publish_lock() }}
    select * into open_sync from {{ target.schema }}.sync_metadata where status in ('running', 'published');
    if open_sync.invocation_id <> '{{ invocation_id }}' then
        raise exception 'another run took over this sync; nothing was published by this one'
            using hint = 'Let the other run finish, then run again.';
    end if;
    if not exists (select 1 from {{ target.schema }}.sync_run_marker where invocation_id = '{{ invocation_id }}') then
        raise exception 'the database restarted, or another run began, while this run was computing'
            using hint = 'Run again; nothing was published by this run.';
    end if;
    if open_sync.status = 'running' and open_sync.base_version
        <> (select coalesce(max(version), 0) from {{ target.schema }}.sync_metadata) then
        raise exception 'something was published since this run compared' using hint = 'Run again.';
    end if;
    if exists (select 1 from {{ ref('int_sessions_gated') }} where sync_id is distinct from open_sync.sync_id) then
        raise exception 'the intermediate tables belong to another run' using hint = 'Run again.';
    end if;
end
$guard$
{% endmacro %}

{#-
    Writes down, in the transaction that inserts candidate changes, what the publish transaction must find. Behind
    guard_run, so that the sync that is running is this run's.
-#}
{% macro record_candidates() %}
update {{ target.schema }}.sync_metadata
set
    candidate_changes = (
        select count(*) from {{ this }} as changes
        where changes.sync_id = sync_metadata.sync_id and not changes.is_published
    ),
    candidate_listings = {{ _candidate_listings() }},
    candidate_sessions = {{ _candidate_sessions() }}
where status = 'running'
{% endmacro %}

{#- Refuses to publish anything but the candidates that were written down. -#}
{% macro guard_candidates() %}
do $guard$
declare
    open_sync {{ target.schema }}.sync_metadata;
begin
    select * into open_sync from {{ target.schema }}.sync_metadata where status = 'running';
    if open_sync.sync_id is null then
        return;
    end if;
    if open_sync.candidate_listings is distinct from {{ _candidate_listings() }}
        or open_sync.candidate_sessions is distinct from {{ _candidate_sessions() }}
        or open_sync.candidate_changes is distinct from (
            select count(*) from {{ ref('property_changes') }} as changes
            where changes.sync_id = open_sync.sync_id and not changes.is_published
        ) then
        raise exception 'the candidates to publish are not those that were written down'
            using hint = 'Build property_changes and properties_live in one run: dbt build.';
    end if;
end
$guard$
{% endmacro %}

{% macro _candidate_listings() -%}
(
    (select count(*) from {{ ref('int_listings_changed') }})
    + (select count(*) from {{ ref('int_listings_missing') }} where outcome = 'removed')
)
{%- endmacro %}

{% macro _candidate_sessions() -%}
(select array_agg(session_id order by session_id) from {{ ref('int_session_counts') }})
{%- endmacro %}
