{#-
    Runs before everything else: creates the published tables where they are missing and opens this run's sync.
    A sync that published but did not finish comes first; else the oldest scraped session of each source is taken,
    or of the one source that a command asked for. Nothing pending opens nothing.
-#}
{% macro open_sync() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'seed', 'snapshot', 'retry') -%}
        {%- if flags.EMPTY and 'model.property_manager.properties_live' in selected_resources -%}
            {%- do exceptions.raise_compiler_error(
                "--empty would sync sessions without their rows; leave it out."
            ) -%}
        {%- endif -%}
        {%- do _require_migrations() -%}
        {%- do create_published_relations() -%}
        {%- if 'model.property_manager.properties_live' in selected_resources -%}
            {%- do run_query(in_transaction(_open_sync_sql())) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{% macro _require_migrations() %}
    {%- set found = run_query("select to_regclass('" ~ target.schema ~ ".sync_run_marker') is not null") -%}
    {%- if not found.rows[0][0] -%}
        {%- do exceptions.raise_compiler_error(
            "The database has not been migrated yet. Run `property-manager db migrate` with the same DATABASE_URL first."
        ) -%}
    {%- endif -%}
{% endmacro %}

{% macro _open_sync_sql() %}
do $open$
declare
    this_run constant uuid := '{{ invocation_id }}';
    lock_holder integer;
    request {{ target.schema }}.sync_requests;
    open_sync {{ target.schema }}.sync_metadata;
    new_sync uuid := gen_random_uuid();
begin
    {{ take_publish_lock() }}
    select pid into lock_holder from pg_locks
    where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())
        and classid = {{ run_lock_class() }}
        and objid::bigint = hashtext('{{ target.schema }}')::bigint & 4294967295
        and objsubid = 2;
    if lock_holder is not null then
        update {{ target.schema }}.sync_requests set claimed_by = this_run, claimed_at = now()
        where request_id = (
            select requests.request_id from {{ target.schema }}.sync_requests as requests
            inner join pg_locks as held
                on (held.classid::bigint << 32) | held.objid::bigint
                = {{ target.schema }}.sync_request_lock_key(requests.request_id)
            where requests.claimed_by is null
                and held.locktype = 'advisory' and held.granted and held.objsubid = 1
                and held.database = (select oid from pg_database where datname = current_database())
                and held.pid = lock_holder
            order by requests.requested_at desc
            limit 1
        )
        returning * into request;
        if request.request_id is null then
            raise exception 'busy: another property-manager command is syncing'
                using errcode = 'lock_not_available', hint = 'Wait until it is done, then run this again.';
        end if;
    end if;
    delete from {{ target.schema }}.sync_run_marker;
    insert into {{ target.schema }}.sync_run_marker values (this_run);
    select * into open_sync from {{ target.schema }}.sync_metadata where status in ('running', 'published');
    if open_sync.status = 'published' then
        update {{ target.schema }}.sync_metadata set invocation_id = this_run where sync_id = open_sync.sync_id;
        return;
    end if;
    update {{ target.schema }}.sync_metadata
    set status = 'failed', finished_at = now(), error = 'the run ended, or another one took over, before it published'
    where status = 'running';
    if exists (
        select 1 from {{ target.schema }}.scrape_sessions
        where status = 'scraped' and (request.source is null or source = request.source)
    ) then
        insert into {{ target.schema }}.sync_metadata (sync_id, invocation_id, base_version)
        select new_sync, this_run, coalesce(max(version), 0) from {{ target.schema }}.sync_metadata;
        insert into {{ target.schema }}.sync_sessions (sync_id, session_id)
        select distinct on (source) new_sync, session_id
        from {{ target.schema }}.scrape_sessions
        where status = 'scraped' and (request.source is null or source = request.source)
        order by source, observed_at, opened_at, session_id;
        {{ _permit_mass_removal() }}
    end if;
end
$open$
{% endmacro %}

{#- Marks the sessions of the new sync when its command lifted the limit on removals, each with an audit row. -#}
{% macro _permit_mass_removal() %}
with permitted as (
            update {{ target.schema }}.scrape_sessions set allows_mass_removal = true
            where request.allows_mass_removal and not allows_mass_removal and session_id in (
                select session_id from {{ target.schema }}.sync_sessions where sync_id = new_sync
            )
            returning session_id, source, scope
        )
        insert into {{ target.schema }}.admin_audit_log (action, target, details)
        select 'allow mass removal', session_id::text, jsonb_build_object('source', source, 'scope', scope)
        from permitted;
{%- endmacro %}
