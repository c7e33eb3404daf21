{#- The tracked fields and attributes of a row as one JSON object without NULLs, as the feed carries it. -#}
{% macro listing_as_json(relation) -%}
jsonb_strip_nulls(
    jsonb_build_object(
        {%- for field in listing_fields() %}
        '{{ field }}', {{ relation }}.{{ field }},
        {%- endfor %}
        'attributes', {{ relation }}.attributes
    )
)
{%- endmacro %}
