{#-
    Square metres from a text with or without a unit; a bare number is in the source's unit ('m2' or 'sqft').
    '85,5 m²' -> 85.5; '1,200 sq ft' -> 111.483648; ('1200', 'sqft') -> 111.483648; '50 - 75 m²' -> 50.
    The first number with a unit behind it counts, whatever else the text says: '3 rooms, 85 m²' -> 85. Units of land
    have decimals rather than thousands: '1.250 ha' -> 12500.
-#}
{% macro parse_area(text, number_format, area_unit) -%}
{%- set unit_of_source = "case when " ~ area_unit ~ " = 'sqft' then 0.09290304 else 1 end" -%}
case
    when {{ text }} is null or {{ text }} = '' then null
    when {{ is_bare_number(text, number_format) }} then {{ text }}::numeric * {{ unit_of_source }}
    else (
        select {{ grouped_number('measured.number', 'measured.number_format') }} * measured.factor
        from (
            select
                stated.number,
                stated.factor,
                case
                    when stated.factor >= 1000 then coalesce({{ number_format }}, '1,234.56') else {{ number_format }}
                end as number_format
            from (
                select
                    found.parts[1] as number,
                    case
                        when found.parts[2] = '' then {{ unit_of_source }}
                        else ({{ meaning_of('found.parts[2]', area_unit_words()) }})::numeric
                    end as factor
                from (
                    select
                        case
                            when {{ text }} ~ '^[0-9][0-9.,''’\s]*(m[²2]|sqm|sq\.? ?ft\.?)?$'
                                then array[{{ plain_number(text) }}, lower(ltrim({{ text }}, E'0123456789.,''’ \t\n\r\u00a0\u2009\u202f\u2007\u3000'))]
                            else {{ _number_with_unit(text) }}
                        end as parts
                    {{ read_once() }}
                ) as found
                offset 0
            ) as stated
            offset 0
        ) as measured
    )
end
{%- endmacro %}

{#-
    The first number with a unit behind it, behind the upper bound of its range, or behind a list such as total, living
    and kitchen area, and the unit: '54,6 / 30 / 9 м²' -> {'54,6','м²'}. Two numbers make no list: '3 / 85 m²' are rooms
    and an area. The place is searched for without groups, which cost PostgreSQL more than a second look at so short a
    text.
-#}
{% macro _number_with_unit(text) -%}
{%- set range_end = ' ?(?:-|' ~ range_words() | join('|') ~ ') ?' ~ number_pattern() -%}
{%- set list_end = '(?: ?/ ?' ~ number_pattern() ~ '){2,3}' -%}
{%- set further_numbers = '(?:' ~ range_end ~ '|' ~ list_end ~ ')? ?' -%}
regexp_match(
    substring(
        lower({{ plain_text(text) }})
        from '(?<![0-9.,/]){{ number_pattern() }}{{ further_numbers }}(?:{{ any_word(area_unit_words()) }})'
    ),
    '^({{ number_pattern() }}){{ further_numbers }}([^0-9 ].*)$'
)
{%- endmacro %}
