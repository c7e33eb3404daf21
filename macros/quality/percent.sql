{#- A share in words with one decimal where it needs one: 0.98 → `98 %`, 0.0312 → `3.1 %`. -#}
{% macro percent(share) -%}
trim_scale(round((({{ share }}) * 100)::numeric, 1)) || ' %'
{%- endmacro %}
