{#-
    Square metres from a text with or without a unit; a bare number is in the source's unit ('m2' or 'sqft').
    '85,5 m²' -> 85.5; '1,200 sq ft' -> 111.483648; ('1200', 'sqft') -> 111.483648.
-#}
{% macro parse_area(text, number_format, area_unit) -%}
{%- set metric = '(m²|m2|m\\^2|sqm|sq\\.? ?m\\.?|qm)' -%}
{%- set imperial = '(ft²|ft2|sqft|sq\\.? ?ft\\.?)' -%}
{{ parse_number(text, number_format, metric ~ '\\s*$|' ~ imperial ~ '\\s*$') }}
* case
    when {{ area_unit }} = 'sqft' and {{ text }} ~ '^[0-9.,\s]*$' then 0.09290304
    when {{ text }} like '%ft%' and {{ text }} ~ '{{ imperial }}\s*$' then 0.09290304
    else 1
end
{%- endmacro %}
