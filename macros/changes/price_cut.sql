{#- Share of the price lost since the start of the spell, negative where it rose; (90, 100) -> 0.1. -#}
{% macro price_cut(price, original_price) -%}
round(1 - {{ price }} / nullif({{ original_price }}, 0), 6)::double precision
{%- endmacro %}
