{#- What a number rose by, as a share of its size before; (200, 150) -> -0.25, (-2, -1) -> 0.5, (0, 5) -> NULL. -#}
{% macro relative_change(old_number, new_number) -%}
round(({{ absolute_change(old_number, new_number) }}) / nullif(abs({{ old_number }}), 0), 6)::double precision
{%- endmacro %}
