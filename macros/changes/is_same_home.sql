{#-
    Whether two adverts at one place describe the same home: living area within 2 %, price within 30 %, kind and offer
    the same where both are known, and at least one of rooms, bedrooms, storey and year of construction known to both,
    none of them different. Neighbours of the same size differ in their storey, or nothing tells them apart and
    whoever calls this has to drop them as ambiguous.
-#}
{% macro is_same_home(one, other) -%}
{{ one }}.area_m2 between {{ other }}.area_m2 * 0.98 and {{ other }}.area_m2 * 1.02
and abs({{ one }}.price - {{ other }}.price) <= 0.3 * {{ other }}.price
{%- for field in ['property_type', 'offer_type', 'currency', 'rooms', 'bedrooms', 'floor', 'year_built'] %}
and coalesce({{ one }}.{{ field }} = {{ other }}.{{ field }}, true)
{%- endfor %}
and num_nonnulls(
    {%- for field in ['rooms', 'bedrooms', 'floor', 'year_built'] %}
    {{ one }}.{{ field }} = {{ other }}.{{ field }}{{ ',' if not loop.last }}
    {%- endfor %}
) > 0
{%- endmacro %}
