{#-
    Texts that two adverts at one place have in common: street address with city, and coordinates to about ten metres.
    Empty where a listing says neither. ('Long St 1', 'Leeds', NULL, NULL) -> {long st 1|leeds}.
-#}
{% macro place_keys(listing) -%}
array_remove(
    array[
        lower({{ listing }}.street_address || '|' || {{ listing }}.city),
        round({{ listing }}.latitude::numeric, 4) || '|' || round({{ listing }}.longitude::numeric, 4)
    ],
    null
)
{%- endmacro %}
