{#-
    A short text that indexes can hold; one of more than 200 characters is no name, and NULL.
    '  Nowa  Huta ' -> 'Nowa Huta'; a page of text in the city's place -> NULL.
-#}
{% macro parse_name(text, has_odd_spaces) -%}
case when length({{ text }}) <= 200 then {{ parse_text(text, has_odd_spaces) }} end
{%- endmacro %}
