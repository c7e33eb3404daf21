{#-
    The ISO 4217 code said in the currency text or else in the price text.
    ('zł', NULL) -> 'PLN'; (NULL, 'CHF 900') -> 'CHF'; (NULL, '$ 900') -> NULL, since many currencies are dollars.
-#}
{% macro parse_currency(currency_text, price_text, marked_price) -%}
case
    when btrim({{ currency_text }}) ~ '^[A-Za-z]{3}$' then upper(btrim({{ currency_text }}))
    when {{ currency_text }} is null and {{ price_text }} is null then null
    else (
        select
            coalesce(
                words.meanings ->> {{ word_key("btrim(" ~ currency_text ~ ")") }},
                words.meanings
                ->> {{ word_key("substring(" ~ currency_text ~ " from '" ~ any_word(currency_words()) ~ "')") }},
                words.meanings ->> {{ word_key(_currency_among_words(marked_price)) }},
                case
                    when {{ marked_price }} is null
                        then words.meanings ->> {{ word_key("translate(" ~ price_text ~ ", " ~ "E'0123456789.,''’- \\t\\n\\r\\u00a0\\u2009\\u202f\\u2007\\u3000'" ~ ", '')") }}
                end
            )
        from (values ({{ meanings_by_word(currency_words()) }})) as words (meanings)
    )
end
{%- endmacro %}

{#-
    The only marked word, or the one beside the number, else any other. Where a sign that several currencies share shows where the price
    is, only a word beside the sign or at the end of the text counts: 'ALL BILLS INCLUDED $650' names no currency.
-#}
{% macro _currency_among_words(marked) -%}
{%- set shared = '¤(?:' ~ any_word(shared_currency_signs()) ~ ')[.]?¤' -%}
{%- set shared_marks = [] -%}
{%- for sign in shared_currency_signs()['shared'] -%}
    {%- do shared_marks.extend(["'%¤" ~ sign ~ "¤%'", "'%¤" ~ sign ~ ".¤%'"]) -%}
{%- endfor -%}
{%- set word = '(?!' ~ shared ~ ')¤([^¤]+)¤' -%}
coalesce(
    case
        when {{ marked }} like '%¤%¤%¤%'
            then array_to_string(
                regexp_match(
                    {{ marked }},
                    '(?:[0-9][.,''-]*|{{ shared }}) ?{{ word }}|{{ word }}[).]?[ :]*(?:[0-9]|{{ shared }})'
                ), ''
            )
        else split_part({{ marked }}, '¤', 2)
    end,
    case
        when not {{ marked }} like any (array[{{ shared_marks | join(', ') }}]) then split_part({{ marked }}, '¤', 2)
        when rtrim({{ marked }}, ').') like '%¤' then split_part(rtrim({{ marked }}, ').'), '¤', -2)
    end
)
{%- endmacro %}
