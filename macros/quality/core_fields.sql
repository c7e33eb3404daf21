{#-
    Array of the fields without which an advert says little; a session's completeness is the mean of their fill rates.
-#}
{% macro core_fields() -%}
array['title', 'property_type', 'price', 'area_m2', 'rooms', 'city']
{%- endmacro %}
