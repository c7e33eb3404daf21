{#-
    Reads a number that may carry the given affixes (a regular expression) and grouping separators.
    '1,234.5' -> 1234.5; '1.234,5' -> 1234.5; '1 250 000' -> 1250000; '31.Bep' -> NULL.
    `number_format` ('1,234.56' or '1.234,56') decides first. Else a bare number with at most `plain_decimals` digits
    after its point is read as it stands ('85.125' -> 85.125); in other texts three digits after a separator that
    could be either make it a grouping separator ('85.125 m²' -> 85125).
    Lengths are checked apart: a bounded repetition costs PostgreSQL a state for each repetition.
-#}
{% macro parse_number(text, number_format, affixes=none, plain_decimals=12) -%}
case
    when {{ text }} is null then null
    when
        {{ text }} ~ '^[+-]?[0-9]+(\.[0-9]+)?$'
        and length({{ text }}) <= 32
        and length(split_part({{ text }}, '.', 2)) <= {{ plain_decimals }}
        and ({{ number_format }} is distinct from '1.234,56')
        then {{ text }}::numeric
    else (
        select
            case
                when compact !~ '^[+-]?[0-9][0-9.,]{0,40}$' then null
                when
                    {{ number_format }} = '1,234.56'
                    and compact ~ '^[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?$'
                    then replace(compact, ',', '')::numeric
                when
                    {{ number_format }} = '1.234,56'
                    and compact ~ '^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?$'
                    then replace(replace(compact, '.', ''), ',', '.')::numeric
                when compact ~ '^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$' then replace(compact, ',', '')::numeric
                when compact ~ '^[+-]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?$'
                    then replace(replace(compact, '.', ''), ',', '.')::numeric
                when compact ~ '^[+-]?[0-9]+([.,][0-9]+)?$' then replace(compact, ',', '.')::numeric
            end
        from (
            select
                regexp_replace(
                    regexp_replace(
                        {% if affixes %}regexp_replace({{ text }}, '{{ affixes }}', '', 'g'){% else %}{{ text }}{% endif %},
                        '[\s''’\u00a0\u2009\u202f]', '', 'g'
                    ),
                    '[.,][-–]+$', ''
                ) as compact
        ) as stripped
    )
end
{%- endmacro %}
