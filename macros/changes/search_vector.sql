{#- What full-text search looks at in a row: its title first, then place and kind, then the description. -#}
{% macro search_vector() -%}
setweight(to_tsvector('simple', coalesce(title, '')), 'A')
    || setweight(to_tsvector('simple', concat_ws(' ', street_address, city, region, postal_code, property_type)), 'B')
    || setweight(to_tsvector('simple', left(coalesce(description, ''), 50000)), 'C')
{%- endmacro %}
