{#-
    The ISO 4217 code said in the currency text or in the price text.
    ('zł', NULL) -> 'PLN'; (NULL, 'CHF 900') -> 'CHF'; (NULL, '$ 900') -> NULL, since many currencies are dollars.
-#}
{% macro parse_currency(currency_text, price_text) -%}
case
    when btrim({{ currency_text }}) ~ '^[A-Za-z]{3}$' then upper(btrim({{ currency_text }}))
    when {{ price_text }} ~ '^[0-9.,\s+-]*$' and {{ currency_text }} is null then null
    when concat({{ currency_text }}, {{ price_text }}) like '%€%' then 'EUR'
    when concat({{ currency_text }}, {{ price_text }}) like '%£%' then 'GBP'
    when concat({{ currency_text }}, {{ price_text }}) like '%zł%' then 'PLN'
    when concat({{ currency_text }}, {{ price_text }}) like '%Kč%' then 'CZK'
    else substring({{ price_text }} from '\m([A-Z]{3})\M')
end
{%- endmacro %}
