{#- Metres between two places in degrees on a sphere of the earth's mean radius; NULL where a coordinate is. -#}
{% macro metres_between(latitude, longitude, other_latitude, other_longitude) -%}
2 * 6371008.8 * asin(
    least(
        sqrt(
            power(sind(({{ other_latitude }} - {{ latitude }}) / 2), 2)
            + cosd({{ latitude }}) * cosd({{ other_latitude }})
            * power(sind(({{ other_longitude }} - {{ longitude }}) / 2), 2)
        ), 1
    )
)
{%- endmacro %}
