{#-
    The currency of a price that does not name one: the source's own. Beside a dollar sign it decides only where it is a
    dollar or a peso itself, else US dollars are meant.
    ('CAD', NULL, '$ 900') -> 'CAD'; ('UAH', NULL, '$ 900') -> 'USD'; (NULL, NULL, '$ 900') -> 'USD';
    (NULL, NULL, '900') -> NULL.
-#}
{% macro assume_currency(source_currency, currency_text, price_text) -%}
case
    when
        concat({{ currency_text }}, {{ price_text }}) like '%$%'
        and coalesce({{ source_currency }}, '') not in ('{{ currencies_with_dollar_sign() | join("', '") }}')
        then 'USD'
    else {{ source_currency }}
end
{%- endmacro %}
