{#-
    The currency of a price that does not name one: the source's own. Beside a dollar sign it decides only where it is a
    dollar or a peso itself, else US dollars are meant; beside '元' only where it is a yuan itself, else those of China.
    Beside '¥', 'kr' or 'Rs' it decides only if it is written so.
    ('CAD', NULL, '$ 900') -> 'CAD'; ('UAH', NULL, '$ 900') -> 'USD'; (NULL, NULL, '$ 900') -> 'USD';
    ('NOK', NULL, '900 kr') -> 'NOK'; ('EUR', NULL, '900 kr') -> NULL; ('TWD', NULL, '900元') -> 'TWD';
    (NULL, NULL, '900') -> NULL.
-#}
{% macro assume_currency(source_currency, currency_text, price_text) -%}
{%- set said = "concat(" ~ currency_text ~ ", ' ', " ~ price_text ~ ")" -%}
case
    when {{ said }} not like all (array['%{{ (shared_currency_signs()['shared'] + ['￥']) | join("%', '%") }}%'])
        then {{ source_currency }}
    when
        {{ said }} ~ '[$]|{{ _apart('дол') }}'
        and coalesce({{ source_currency }}, '') not in ('{{ currencies_with_dollar_sign() | join("', '") }}')
        then 'USD'
    when {{ said }} like '%元%' and coalesce({{ source_currency }}, '') not in ('CNY', 'HKD', 'MOP', 'TWD') then 'CNY'
    {% for codes, sign in _currencies_by_shared_sign().items() %}
        when {{ source_currency }} not in ('{{ codes.split() | join("', '") }}') and {{ said }} ~ '{{ sign }}'
            then null
    {% endfor %}
    else {{ source_currency }}
end
{%- endmacro %}

{#- Regular expressions of shared signs but the dollar's, by the codes of the currencies that are written with them. -#}
{% macro _currencies_by_shared_sign() %}
    {% do return({
        'CNY JPY': '[¥￥]',
        'DKK ISK NOK SEK': _apart('(?:kr|Kr|KR)'),
        'INR LKR MUR NPR PKR SCR': '₨|' ~ _apart('[Rr]s'),
    }) %}
{% endmacro %}

{#- Regular expression of a word that is no part of another one: 'Rs' in 'Rs.900', not in 'offers'. -#}
{% macro _apart(word) %}
    {% do return('(?<![[:alpha:]])' ~ word ~ '(?![[:alpha:]])') %}
{% endmacro %}
