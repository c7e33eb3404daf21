{#- The smallest of the coverages that are known of a session, at most 1; half where a partial one tells nothing. -#}
{% macro session_coverage(session) -%}
least(
    coalesce(
        {{ session }}.page_coverage, {{ session }}.listing_coverage, case when {{ session }}.may_remove then 1 else 0.5 end
    ),
    coalesce({{ session }}.listing_coverage, 1),
    1
)
{%- endmacro %}
