{#- What a number rose by, negative where it fell; (200, 150) -> -50. -#}
{% macro absolute_change(old_number, new_number) -%}
{{ new_number }} - {{ old_number }}
{%- endmacro %}
