{#-
    What is known of a field after an observation: its value; NULL where it was seen empty; what was known before
    where this observation could not carry it. A currency or country that only the source's settings name fills what
    is unknown and never replaces what a page said.
-#}
{% macro observed_or(field, observed, known) -%}
case
    {%- if field in ('currency', 'country') %}
    when '{{ field }}' <> all({{ observed }}.observed_fields)
        then coalesce({{ known }}.{{ field }}, {{ observed }}.{{ field }})
    {%- else %}
    when {{ observed }}.{{ field }} is null and '{{ field }}' <> all({{ observed }}.observed_fields)
        then {{ known }}.{{ field }}
    {%- endif %}
    else {{ observed }}.{{ field }}
end
{%- endmacro %}
