{#-
    What is said of a price beside its number: 'from', 'offers_over', 'offers_around', 'guide', 'auction', 'fixed',
    'negotiable', 'up_to' or 'on_request'. ('Guide price', '£450,000') -> 'guide'; (NULL, 'ab 1.200 €') -> 'from'.
    A stated qualifier in other words stays as it is.
-#}
{% macro parse_price_qualifier(qualifier_text, price_text, has_words) -%}
coalesce(
    {{ _said_of_price(qualifier_text, price_text, has_words, qualifier_words()) }},
    case when {{ has_words }} and {{ price_text }} ~ '[0-9][[:alpha:]]?\+' then 'from' end
)
{%- endmacro %}

{#-
    What the price pays for: 'month', 'week', 'year', 'day' or 'night'. (NULL, '$2,300/mo') -> 'month'; ('p.a.', NULL)
    -> 'year'. A stated period in other words stays as it is.
-#}
{% macro parse_price_period(period_text, price_text, has_words) -%}
{{ _said_of_price(period_text, price_text, has_words, period_words()) }}
{%- endmacro %}

{#- Whether a price text says more than a number and its currency; looking once costs less than once a column. -#}
{% macro price_has_words(price_text) -%}
coalesce(not ({{ price_text }} ~ '^[0-9.,\s]*$' or ({{ is_number_and_currency(price_text) }})), false)
{%- endmacro %}

{#- A text of small letters alone is looked up as it stands. -#}
{% macro _said_of_price(stated_text, price_text, has_words, meanings) -%}
{%- set texts = "concat_ws(' ', case when " ~ has_words ~ " then " ~ price_text ~ " end, " ~ stated_text ~ ")" -%}
case
    when not {{ has_words }} and {{ stated_text }} is null then null
    else
        coalesce(
            {{ meaning_of(
                "case when not " ~ has_words ~ " and " ~ stated_text ~ " ~ '^[a-z]+$' then " ~ stated_text
                ~ " else substring(lower(" ~ plain_text(texts) ~ ") from '" ~ any_word(meanings) ~ "') end",
                meanings
            ) }},
            {{ parse_text(stated_text) }}
        )
end
{%- endmacro %}
