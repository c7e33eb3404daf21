{#-
    '€ 1.250.000,-' -> 1250000; '£450,000' -> 450000; '415000.0' -> 415000.0; 'POA' -> NULL.
    No price has three decimals: '450.000' -> 450000.
-#}
{% macro parse_price(text, number_format) -%}
{%- set affixes = '€|£|\\$|¥|₽|₹|(zł|Kč|kr\\.?|Ft|lei|Fr\\.)|\\m[A-Z]{3}\\M|\\m[A-Z]{2,3}\\$' -%}
{{ parse_number(text, number_format, affixes, plain_decimals=2) }}
{%- endmacro %}
