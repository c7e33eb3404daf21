{#- Whole days of a spell, added to those of earlier ones; ('3', '2024-05-01', '2024-05-03') -> 5. -#}
{% macro days_on_market(earlier_days, starts_at, ends_at) -%}
coalesce({{ earlier_days }}, 0) + greatest(floor(extract(epoch from {{ ends_at }} - {{ starts_at }}) / 86400), 0)::integer
{%- endmacro %}
