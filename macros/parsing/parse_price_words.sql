{#-
    What is said of a price beside its number: 'from', 'offers_over', 'offers_around', 'guide', 'auction', 'fixed',
    'negotiable', 'up_to' or 'on_request'. ('Guide price', '£450,000') -> 'guide'; (NULL, 'ab 1.200 €') -> 'from'.
    A stated qualifier in other words stays as it is.
-#}
{% macro parse_price_qualifier(qualifier_text, words) -%}
coalesce(
    {{ _said_of_price(qualifier_text, words, qualifier_words()) }},
    case when {{ words }} like '%+%' and {{ words }} ~ '[0-9][[:alpha:]]?\+' then 'from' end
)
{%- endmacro %}

{#-
    What the price pays for: 'month', 'week', 'year', 'day' or 'night'. (NULL, '$2,300/mo') -> 'month'; ('p.a.', NULL)
    -> 'year'. A stated period in other words stays as it is.
-#}
{% macro parse_price_period(period_text, words) -%}
{{ _said_of_price(period_text, words, period_words()) }}
{%- endmacro %}

{#- A text of small letters alone is looked up as it stands. -#}
{% macro _said_of_price(stated_text, words, meanings) -%}
case
    when {{ words }} is null and {{ stated_text }} is null then null
    else
        coalesce(
            {{ meaning_of(
                "case when " ~ words ~ " is null and " ~ stated_text ~ " ~ '^[a-z]+$' then " ~ stated_text
                ~ " else substring(lower(concat_ws(' ', " ~ words ~ ", " ~ plain_text(stated_text) ~ ")) from '"
                ~ any_word(meanings) ~ "') end",
                meanings
            ) }},
            {{ parse_text(stated_text) }}
        )
end
{%- endmacro %}
