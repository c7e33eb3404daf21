{#-
    The ISO 4217 code said in the currency text or in the price text.
    ('zł', NULL) -> 'PLN'; (NULL, 'CHF 900') -> 'CHF'; (NULL, '$ 900') -> NULL, since many currencies are dollars.
    Most texts begin or end with it, which is found out sooner than where else it stands.
-#}
{% macro parse_currency(currency_text, price_text) -%}
{%- set texts = "concat_ws(' ', " ~ currency_text ~ ", " ~ price_text ~ ")" -%}
case
    when btrim({{ currency_text }}) ~ '^[A-Za-z]{3}$' then upper(btrim({{ currency_text }}))
    when {{ price_text }} ~ '^[0-9.,\s$+-]*$' and {{ currency_text }} is null then null
    else (
        select
            coalesce(
                words.meanings ->> {{ word_key("substring(" ~ texts ~ " from '^[^0-9\\s]+')") }},
                words.meanings ->> {{ word_key("substring(" ~ texts ~ " from '[^0-9\\s.,''’-]+\\.?$')") }},
                words.meanings
                ->> {{ word_key("substring(" ~ texts ~ " from '" ~ any_word(currency_words()) ~ "')") }}
            )
        from (values ({{ meanings_by_word(currency_words()) }})) as words (meanings)
    )
end
{%- endmacro %}
