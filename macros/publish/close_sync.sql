{#-
    Runs after everything else: a published sync whose history was written is complete, and so are its sessions; one
    whose history failed stays open for the next run; one that did not publish has failed, with the first error.
-#}
{% macro close_sync(results) %}
    {%- if execute and 'model.property_manager.properties_live' in selected_resources -%}
        {%- set history = results
            | selectattr('node.unique_id', 'equalto', 'snapshot.property_manager.properties_history')
            | selectattr('status', 'equalto', 'success') | list -%}
        {%- set failures = [] -%}
        {%- for result in results if result.status in ('error', 'fail') -%}
            {%- do failures.append(result.node.name ~ ': ' ~ (result.message or 'failed')) -%}
        {%- endfor -%}
        {%- do run_query(in_transaction(_close_sync_sql(history | length > 0, failures | first | default('')))) -%}
        {%- if history -%}
            {%- do run_query(refresh_statistics()) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{% macro _close_sync_sql(is_history_written, error) %}
update {{ target.schema }}.sync_metadata
set status = 'failed', finished_at = now(), error = nullif({{ dbt.string_literal(dbt.escape_single_quotes(error)) }}, '')
where status = 'running' and invocation_id = '{{ invocation_id }}';
{%- if is_history_written %}
with closed as (
    update {{ target.schema }}.sync_metadata
    set status = 'complete', finished_at = now()
    where status = 'published' and invocation_id = '{{ invocation_id }}'
    returning sync_id
)
update {{ target.schema }}.scrape_sessions
set status = 'complete', completed_at = now()
where status = 'published' and session_id in (
    select taken.session_id
    from {{ target.schema }}.sync_sessions as taken
    inner join closed on taken.sync_id = closed.sync_id
);
{%- endif %}
{% endmacro %}
