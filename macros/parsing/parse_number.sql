{#-
    Reads a number that may carry grouping separators. '1,234.5' -> 1234.5; '1.234,5' -> 1234.5; '1 250 000' ->
    1250000; '31.Bep' -> NULL.
    `number_format` ('1,234.56' or '1.234,56') decides first. Else a bare number with at most `plain_decimals` digits
    after its point is read as it stands ('85.125' -> 85.125).
-#}
{% macro parse_number(text, number_format, plain_decimals=12) -%}
case
    when {{ text }} is null or {{ text }} = '' then null
    when {{ is_bare_number(text, number_format, plain_decimals) }} then {{ text }}::numeric
    else (
        select {{ grouped_number('plain.number', number_format) }}
        from (select btrim({{ plain_text(text) }}) as number {{ read_once() }}) as plain
    )
end
{%- endmacro %}

{#-
    Whether a text is a number as programs write it. Lengths are checked apart: a bounded repetition costs PostgreSQL
    a state for each repetition.
-#}
{% macro is_bare_number(text, number_format, plain_decimals=12) -%}
{{ is_decimal(text) }}
and length({{ text }}) <= 32
and length(split_part({{ text }}, '.', 2)) <= {{ plain_decimals }}
and ({{ number_format }} is distinct from '1.234,56')
{%- endmacro %}

{#-
    Whether a text has digits and at most one point between them. Every macro asks by this one expression: PostgreSQL
    keeps the last 32 expressions of a process compiled, and compiling one anew for each row costs far more than asking.
-#}
{% macro is_decimal(text) -%}
{{ text }} ~ '^[+-]?[0-9]+(\.[0-9]+)?$'
{%- endmacro %}

{#- The number that a text begins with or that stands behind a few signs, in plain notation. -#}
{% macro plain_number(text) -%}
rtrim(translate(substring({{ text }} from '[0-9][0-9.,''’\s]*'), E'\u00a0\u2009\u202f\u2019', '   '''), ' .,')
{%- endmacro %}

{#-
    The number in plain text that holds nothing else but separators; NULL where it is none. Where `number_format`
    does not decide, three digits after a separator that could be either make it a grouping separator, unless a zero
    stands alone before it: '85.125' -> 85125; '0.125' -> 0.125. Blanks part groups of three.
-#}
{% macro grouped_number(text, number_format) -%}
{%- set by_sign = '[1-9][0-9]?[0-9]?(?:(?:,[0-9][0-9][0-9]?)*,[0-9][0-9][0-9](?:[.][0-9]+)?|(?:[.][0-9][0-9][0-9])+(?:,[0-9]+)?)' -%}
{%- set by_blank = "[0-9][0-9]?[0-9]?(?:[ ''][0-9][0-9][0-9])+(?:[.,][0-9]+)?" -%}
(
    select
        case
            when length(stated.number) > 40 then null
            when
                stated.separators <> ''
                and (
                    length(stated.separators) > 1
                    or stated.separators not in (',', '.')
                    or ({{ number_format }} is distinct from case stated.separators when ',' then '1.234,56' else '1,234.56' end)
                )
                and stated.number ~ '^[+-]?(?:{{ by_sign }}|{{ by_blank }})$'
                then translate(
                    stated.number, case left(stated.separators, 1) when ',' then ',' when '.' then ',.' else ', ''' end,
                    case left(stated.separators, 1) when ',' then '' else '.' end
                )::numeric
            when {{ is_decimal("replace(stated.number, ',', '.')") }} then replace(stated.number, ',', '.')::numeric
        end
    from (
        select plain.number, translate(plain.number, '0123456789+-', '') as separators
        from (select {{ text }} as number {{ read_once() }}) as plain
        offset 0
    ) as stated
)
{%- endmacro %}

{#- Regular expression of a number in plain text, grouped or not. -#}
{% macro number_pattern() -%}
[0-9]+(?:[.,''][0-9]+| [0-9][0-9][0-9](?![0-9]))*
{%- endmacro %}

{#- Words between the bounds of a range. -#}
{% macro range_words() %}
    {% do return(['to', 'and', 'bis', 'do', 'до', 'à', 'a', 'til', 'till', 'al', 'até', 'hasta', 'tot']) %}
{% endmacro %}
