{#- '53.3789332' -> 53.3789332; anything but a plain decimal number within the limit is NULL. -#}
{% macro parse_coordinate(text, limit) -%}
case
    when btrim({{ text }}) ~ '^[+-]?\d{1,3}(\.\d{1,20})?$' and abs(btrim({{ text }})::double precision) <= {{ limit }}
        then btrim({{ text }})::double precision
end
{%- endmacro %}
