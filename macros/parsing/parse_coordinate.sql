{#- '53.3789332' -> 53.3789332; anything but a plain decimal number within the limit is NULL. -#}
{% macro parse_coordinate(text, limit) -%}
case
    when
        {{ is_decimal('btrim(' ~ text ~ ')') }}
        and length({{ text }}) <= 32
        and abs({{ text }}::double precision) <= {{ limit }}
        then {{ text }}::double precision
end
{%- endmacro %}
