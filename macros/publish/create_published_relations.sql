{#-
    The comparison reads what the previous sync published, so the published tables must exist before the first one:
    they are created from their contracts, with indexes and comments, and made known to dbt's cache.
-#}
{% macro create_published_relations() %}
    {%- for name in ['property_changes', 'properties_live'] -%}
        {%- set node = graph.nodes['model.property_manager.' ~ name] -%}
        {%- set existing = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
        {%- if existing is none -%}
            {%- set relation = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias, type='table'
            ) -%}
            {%- do run_query('begin; ' ~ _create_from_contract(relation, node) ~ ' commit;') -%}
            {%- do adapter.cache_added(relation) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{% macro _create_from_contract(relation, node) %}
create schema if not exists {{ relation.schema }};
create table if not exists {{ relation }} (
    {%- for column in node.columns.values() %}
    {{ column.name }} {{ column.data_type }}
    {%- if column.constraints | selectattr('type', 'equalto', 'not_null') | list %} not null{% endif %},
    {%- endfor %}
    {%- for constraint in node.constraints if constraint.type == 'primary_key' %}
    primary key ({{ constraint.columns | join(', ') }})
    {%- endfor %}
) with (fillfactor = 90);
{%- for index in node.config.indexes %}
{{ get_create_index_sql(relation, index) }};
{%- endfor %}
comment on table {{ relation }} is {{ dbt.string_literal(dbt.escape_single_quotes(node.description)) }};
{%- for column in node.columns.values() %}
comment on column {{ relation }}.{{ column.name }} is {{ dbt.string_literal(dbt.escape_single_quotes(column.description)) }};
{%- endfor %}
{% endmacro %}
