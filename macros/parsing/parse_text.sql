{#- '  2  rooms ' -> '2 rooms'; blank text is NULL. -#}
{% macro parse_text(text) -%}
nullif(
    btrim(case when {{ text }} ~ '\s\s|[^\S ]' then regexp_replace({{ text }}, '\s+', ' ', 'g') else {{ text }} end), ''
)
{%- endmacro %}
