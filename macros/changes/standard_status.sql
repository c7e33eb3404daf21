{#- RESO's StandardStatus of a listing: ('active', NULL) -> 'Active'; ('removed', 'sold') -> 'Closed'. -#}
{% macro standard_status(listing_status, removal_reason) -%}
case
    when {{ listing_status }} = 'active' then 'Active'
    when {{ removal_reason }} = 'sold' then 'Closed'
    else 'Withdrawn'
end
{%- endmacro %}
