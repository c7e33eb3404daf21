{#- The number that a JSON value is, NULL where it is none; ('12.5') -> 12.5, ('"12.5"') -> NULL. -#}
{% macro json_number(value) -%}
case when jsonb_typeof({{ value }}) = 'number' then ({{ value }} #>> '{}')::numeric end
{%- endmacro %}
