{#-
    '  2  rooms ' -> '2 rooms'; blank text is NULL. Whoever reads many texts of a row tells by `has_odd_spaces`, an
    expression, whether any of them has white space to collapse: looking once costs far less than once a text.
-#}
{% macro parse_text(text, has_odd_spaces=none) -%}
nullif(
    btrim(
        case
            when {{ has_odd_spaces or _has_odd_spaces(text) }} then regexp_replace({{ text }}, '\s+', ' ', 'g')
            else {{ text }}
        end
    ), ''
)
{%- endmacro %}

{#- Whether a text holds white space other than single blanks. -#}
{% macro _has_odd_spaces(text) -%}
{{ text }} ~ '\s\s|[^\S ]'
{%- endmacro %}

{#- Whether any of the texts does. -#}
{% macro any_has_odd_spaces(texts) -%}
{{ _has_odd_spaces("concat_ws('|', " ~ texts | join(', ') ~ ')') }}
{%- endmacro %}
