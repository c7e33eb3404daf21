{#-
    The comparison reads what the previous sync published, so the published tables must exist before the first one:
    they are created from their contracts, with indexes and comments, and made known to dbt's cache. A table made from
    an older contract gets the columns it lacks.
-#}
{% macro create_published_relations() %}
    {%- for name in ['property_changes', 'properties_live'] -%}
        {%- set node = graph.nodes['model.property_manager.' ~ name] -%}
        {%- set existing = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
        {%- if existing is none -%}
            {%- set relation = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias, type='table'
            ) -%}
            {%- do run_query(in_transaction(_create_from_contract(relation, node))) -%}
            {%- do adapter.cache_added(relation) -%}
        {%- else -%}
            {%- set missing = _missing_columns(existing, node) -%}
            {%- if missing -%}
                {%- do run_query(in_transaction(_add_columns(existing, missing))) -%}
            {%- endif -%}
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

{% macro _missing_columns(relation, node) %}
    {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {% do return(node.columns.values() | rejectattr('name', 'in', existing) | list) %}
{% endmacro %}

{#- A column that may not be NULL says in its meta what it holds in rows that are older than the column. -#}
{% macro _add_columns(relation, columns) %}
{%- for column in columns %}
alter table {{ relation }} add column {{ column.name }} {{ column.data_type }}
{%- if column.constraints | selectattr('type', 'equalto', 'not_null') | list %} not null
default {{ column.config.meta.value_in_older_rows }};
alter table {{ relation }} alter column {{ column.name }} drop default
{%- endif %};
comment on column {{ relation }}.{{ column.name }} is {{ dbt.string_literal(dbt.escape_single_quotes(column.description)) }};
{%- endfor %}
{% endmacro %}
