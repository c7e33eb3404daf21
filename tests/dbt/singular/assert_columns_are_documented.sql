-- Detects documentation that went stale: a column that a table has and its YAML does not name, or the other way round.
-- A returned row is such a column, with where it was found.
-- It runs when every relation stands again: these are the last of the lineage.
-- depends_on: {{ ref('int_listing_compensations') }}
-- depends_on: {{ ref('listing_confirmations') }}
-- depends_on: {{ ref('property_quarantine') }}
-- depends_on: {{ ref('stg_rule_evaluations') }}
-- depends_on: {{ ref('properties_history') }}
-- depends_on: {{ ref('session_quality') }}
-- depends_on: {{ ref('session_recommendations') }}
-- depends_on: {{ ref('listing_quality') }}

{%- set nodes = [] -%}
{%- if execute -%}
{%- for node in graph.nodes.values() if node.resource_type in ('model', 'snapshot') -%}
{%- do nodes.append(node) -%}
{%- endfor -%}
{%- endif %}

with

documented as (

    select
        null::text as schema_name,
        null::text as table_name,
        null::text as column_name
    where false
    {%- for node in nodes %}
    {%- for column in node.columns %}
    union all
    select '{{ node.schema }}', '{{ node.alias }}', '{{ column }}'
    {%- endfor %}
    {%- endfor %}

),

existing as (

    select
        table_schema::text as schema_name,
        table_name::text as table_name,
        column_name::text as column_name
    from information_schema.columns
    where
        (table_schema, table_name) in (
            values
            (null, null)
            {%- for node in nodes %},
            ('{{ node.schema }}', '{{ node.alias }}')
            {%- endfor %}
        )

)

select
    coalesce(documented.table_name, existing.table_name) as table_name,
    coalesce(documented.column_name, existing.column_name) as column_name,
    case when documented.column_name is null then 'only in the table' else 'only in the YAML' end as found
from documented
full outer join existing
    on
        documented.schema_name = existing.schema_name
        and documented.table_name = existing.table_name
        and documented.column_name = existing.column_name
where documented.column_name is null or existing.column_name is null
