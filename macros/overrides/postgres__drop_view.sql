{#-
    Drops one relation at a time in a schema. Two threads that drop what is left of replaced relations, each with the
    views that depend on it, would lock those in any order and end in a deadlock.
-#}
{% macro take_drop_lock() -%}
select pg_advisory_xact_lock(20559, hashtext('{{ target.schema }}'))
{%- endmacro %}

{#- dbt-postgres's own statement, behind the lock: both run in the one transaction that a string of statements is. -#}
{% macro postgres__drop_view(relation) -%}
{{ take_drop_lock() }};
drop view if exists {{ relation }} cascade
{%- endmacro %}

{#- See postgres__drop_view. -#}
{% macro postgres__drop_table(relation) -%}
{{ take_drop_lock() }};
drop table if exists {{ relation }} cascade
{%- endmacro %}
