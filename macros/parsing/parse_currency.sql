{#-
    The ISO 4217 code said in the currency text or in the price text.
    ('zł', NULL) -> 'PLN'; (NULL, 'CHF 900') -> 'CHF'; (NULL, '$ 900') -> NULL, since many currencies are dollars.
    Most texts begin or end with it, beside the number, which is found out sooner than where else it stands.
-#}
{% macro parse_currency(currency_text, price_text) -%}
{%- set texts = "concat_ws(' ', " ~ currency_text ~ ", " ~ _plain_price(price_text) ~ ")" -%}
case
    when btrim({{ currency_text }}) ~ '^[A-Za-z]{3}$' then upper(btrim({{ currency_text }}))
    when {{ price_text }} ~ '^[0-9.,\s$+-]*$' and {{ currency_text }} is null then null
    else (
        select
            coalesce(
                words.meanings ->> {{ word_key("btrim(" ~ currency_text ~ ")") }},
                words.meanings ->> {{ word_key("substring(stated.texts from '^([^0-9 ]+) ?[0-9]')") }},
                words.meanings ->> {{ word_key("substring(stated.texts from '[0-9] ?([^0-9 .,''-]+[.]?)$')") }},
                words.meanings ->> {{ word_key(_currency_among_words('stated.texts')) }}
            )
        from
            (values ({{ meanings_by_word(currency_words()) }})) as words (meanings),
            (select {{ texts }} as texts {{ read_once() }}) as stated
    )
end
{%- endmacro %}

{#-
    The first word of a currency beside a number, else the first of all. Where a sign shows where the price is, only a
    word beside the sign or at the end of the text counts: 'ALL BILLS INCLUDED $650' names no currency.
-#}
{% macro _currency_among_words(texts) -%}
(
    select found.parts[2]
    from
        regexp_matches(
            {{ texts }},
            '([0-9][.,''-]* ?|[$¥] ?)?({{ any_word(currency_words()) }})[.)]?([ :]*[0-9$¥]|$)?', 'g'
        ) with ordinality as found (parts, position)
    where coalesce(found.parts[1], found.parts[3]) is not null or {{ texts }} !~ '[$¥]'
    order by coalesce(found.parts[1], nullif(found.parts[3], '')) is null, found.position
    limit 1
)
{%- endmacro %}
