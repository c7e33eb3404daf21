{#-
    The asking price in a text of a portal, of a range its lower bound. '€ 1.250.000,-' -> 1250000; 'Offers over
    £1.2M' -> 1200000; '207 000 € FAI' -> 207000; '3480万円' -> 34800000; '$2,300 - 2,900/mo' -> 2300; 'POA' -> NULL.
    Beside a currency other words may stand; without one the text must hold nothing but the number and known words.
    No price has three decimals: '450.000' -> 450000. A price per square metre is not the price.
-#}
{% macro parse_price(text, number_format, marked_price) -%}
case
    when {{ text }} is null or {{ text }} = '' then null
    when {{ is_bare_number(text, number_format, plain_decimals=2) }} then {{ text }}::numeric
    when {{ marked_price }} is null then {{ grouped_number(plain_number(text), number_format) }}
    when {{ marked_price }} = translate({{ marked_price }}, '0123456789', '') then null
    else (
        select
            case
                when {{ _is_only_price('priced.amount_text') }}
                    then {{ grouped_number(plain_number('priced.amount_text'), number_format) }}
                else ({{ _price_among_words('priced.amount_text', text, number_format) }})
            end
        from (
            select
                btrim(
                    regexp_replace(
                        lower(regexp_replace({{ marked_price }}, '¤[^¤]+¤', '¤', 'g')), '{{ _other_prices() }}', ' ', 'g'
                    )
                ) as amount_text
            {{ read_once() }}
        ) as priced
    )
end
{%- endmacro %}

{#- Whether a text is a number with nothing but one currency before or behind it, as most prices are. -#}
{% macro is_number_and_currency(text) -%}
{%- set currency = '(?:[€£$¥₹₽₺₩₫₴₱฿₪]|EUR|USD|GBP|CHF|PLN|CZK|AED|CAD|AUD|R|RM|Rp|R[$]|zł|Kč|kr[.]?|Ft|lei)' -%}
{%- set number = "[0-9][0-9.,''’\\s]*-*" -%}
{{ text }} ~ '^(?:(?:{{ currency }}\s?)?{{ number }}|{{ number }}\s?{{ currency }})$'
{%- endmacro %}

{#-
    Whether a price text without other prices holds one number, beside its currency and without a multiplier: then
    nothing needs to be looked for among words, which costs far more.
-#}
{% macro _is_only_price(amount_text) -%}
{{ amount_text }} ~ '^[^0-9¤]*(?:¤[ :]*{{ number_pattern() }} ?¤?|{{ number_pattern() }}[.,]*-* ?¤)[^0-9¤'']*$'
and {{ amount_text }} !~ '[0-9] ?(?:{{ any_word(multiplier_words()) }})'
{%- endmacro %}

{#-
    The plain text of a price that says more than a number and its currency; NULL of any other. Square feet are written
    without 'ft', which is also a word for forints.
-#}
{% macro price_words(price_text) -%}
case
    when {{ is_number_and_currency(price_text) }} then null
    when {{ price_text }} not ilike '%ft%' then {{ plain_text(price_text) }}
    else regexp_replace({{ plain_text(price_text) }}, '(?:sq[.]? ?ft|ft[²2])(?![[:alpha:]])', 'sqft', 'gi')
end
{%- endmacro %}

{#- The words of a price with every sign and word of a currency between two '¤': '€ 450 000' -> '¤€¤ 450 000'. -#}
{% macro marked_price(words) -%}
regexp_replace({{ words }}, '(?:{{ any_word(_all_currency_words()) }})\.?', '¤\&¤', 'g')
{%- endmacro %}

{#-
    The first number beside a currency, or without any currency the only number among known words. Its multiplier may
    stand behind the upper bound of a range ('1.2 - 1.5M'), and another number behind its multiplier ('1億2800万').
    The amount is searched for without groups, which cost PostgreSQL more than a second look at so short a text.
-#}
{% macro _price_among_words(amount_text, text, number_format) -%}
{%- set amount = _amount_pattern() -%}
select
    case
        when amounts.is_range
            then amounts.number * coalesce(
                amounts.multiplier, case when amounts.number < amounts.next_number then amounts.next_multiplier end, 1
            )
        when amounts.is_compound
            then amounts.number * amounts.multiplier
                + coalesce(amounts.next_number * coalesce(amounts.next_multiplier, 1e4), 0)
        else amounts.number * coalesce(amounts.multiplier, 1)
    end
from (
    select
        {{ _number_before('found.parts[1]', 'found.parts[2]', number_format) }} as number,
        {{ _multiplier('found.parts[2]', text) }} as multiplier,
        found.parts[2] in ('{{ compound_multiplier_words() | join("', '") }}') as is_compound,
        right(btrim(found.parts[3], ' ¤'), 1) = '-'
        or btrim(found.parts[3], ' ¤.,-') in ('{{ range_words() | join("', '") }}') as is_range,
        {{ _number_before('found.parts[4]', 'found.parts[5]', number_format) }} as next_number,
        {{ _multiplier('found.parts[5]', text) }} as next_multiplier
    from (
        select
            regexp_match(
                case
                    when {{ amount_text }} like '%¤%'
                        then substring({{ amount_text }} from '¤[ :]*{{ amount }}|{{ amount }} ?¤')
                    else
                        substring(
                            regexp_replace({{ amount_text }}, '{{ any_price_word() }}', ' ', 'g')
                            from '^[^0-9[:alpha:]]*({{ amount }})[^0-9[:alpha:]]*$'
                        )
                end,
                '^[¤ :]*({{ number_pattern() }}) ?((?!(?:{{ range_words() | join('|') }})(?![^ -@¤]))[^ -@¤]+)?([^0-9]*)'
                '(?:({{ number_pattern() }}) ?([^ -@¤]+)?)?'
            ) as parts
        {{ read_once() }}
    ) as found
    offset 0
) as amounts
{%- endmacro %}

{#- Signs and words that stand where a price is, whether or not they tell in what it is. -#}
{% macro _all_currency_words() %}
    {% do return(dict(currency_words(), **shared_currency_signs())) %}
{% endmacro %}

{#- A number with its multiplier, and behind it an upper bound or a second part. -#}
{% macro _amount_pattern() -%}
{%- set multiplied = number_pattern() ~ ' ?(?:' ~ any_word(multiplier_words()) ~ ')?(?:[.,]-*)?' -%}
{{ multiplied }}(?:(?: ?(?:-|{{ range_words() | join('|') }}) ?¤? ?| ?){{ multiplied }})?
{%- endmacro %}

{#- Regular expression of a price per area, and of an earlier price, in marked text. -#}
{% macro _other_prices() -%}
(?:¤ ?)?[0-9][0-9.,'' ]*(?:{{ any_word(multiplier_words()) }})?[.]? ?¤? ?
{#- -#}
(?:psf|psm|(?:/|per|pro|par|por|al|za|за|a) ?(?:{{ any_word(area_unit_words()) }}))
{#- -#}
|(?:{{ any_word(earlier_price_words()) }})[^0-9]*[0-9][0-9.,'' ]*¤?
{%- endmacro %}

{#- Regular expression of all words of price texts that are no number: qualifiers, periods and headings. -#}
{% macro any_price_word() -%}
{{ any_word(qualifier_words()) }}|{{ any_word(period_words()) }}|{{ any_word(price_headings()) }}
{%- endmacro %}

{#-
    The number before a multiplier, where a single separator is decimal ('1.250 M' -> 1.25) unless the source's format
    groups by it; the comma groups before the myriads of East Asia. Before anything else a number as it stands.
-#}
{% macro _number_before(number, multiplier, number_format) -%}
{%- set myriad = multiplier ~ " in ('万', '萬', '만', '億', '亿', '억')" -%}
case
    when
        {{ multiplier }} is not null and {{ number_format }} is null and not {{ myriad }}
        and {{ is_decimal("replace(" ~ number ~ ", ',', '.')") }}
        then replace({{ number }}, ',', '.')::numeric
    else {{ grouped_number(number, "case when " ~ myriad ~ " then '1,234.56' else " ~ number_format ~ " end") }}
end
{%- endmacro %}

{#- What a multiplier found in a price text multiplies by; NULL without one. -#}
{% macro _multiplier(word, text) -%}
case
    when {{ word }} = 'm' and lower({{ text }}) like any (array['%rp%', '%idr%']) then 1e9
    when {{ word }} = 'mil' and lower({{ text }}) like any (array['%kč%', '%kc%', '%czk%']) then 1e6
    else ({{ meaning_of(word, multiplier_words()) }})::numeric
end
{%- endmacro %}
