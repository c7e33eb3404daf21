{#- Kilometres between two points given in degrees, on a flat map that is true at the mean latitude. -#}
{% macro distance_km(one, other) -%}
111.195 * sqrt(
    power({{ one }}.latitude - {{ other }}.latitude, 2)
    + power(
        least(abs({{ one }}.longitude - {{ other }}.longitude), 360 - abs({{ one }}.longitude - {{ other }}.longitude))
        * cos(radians(({{ one }}.latitude + {{ other }}.latitude) / 2)),
        2
    )
)
{%- endmacro %}
