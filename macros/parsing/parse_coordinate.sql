{#- '53.3789332' -> 53.3789332; anything but a plain decimal number within the limit is NULL. -#}
{% macro parse_coordinate(text, limit) -%}
case
    when
        {{ text }} ~ '^ *[+-]?[0-9]+(\.[0-9]+)? *$'
        and length({{ text }}) <= 32
        and abs({{ text }}::double precision) <= {{ limit }}
        then {{ text }}::double precision
end
{%- endmacro %}
