{#-
    The currency of a price that does not name one: the source's own, else US dollars where there is a dollar sign.
    ('CAD', NULL, '$ 900') -> 'CAD'; (NULL, NULL, '$ 900') -> 'USD'; (NULL, NULL, '900') -> NULL.
-#}
{% macro assume_currency(source_currency, currency_text, price_text) -%}
coalesce({{ source_currency }}, case when concat({{ currency_text }}, {{ price_text }}) like '%$%' then 'USD' end)
{%- endmacro %}
