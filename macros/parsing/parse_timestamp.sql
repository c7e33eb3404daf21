{#-
    An ISO 8601 date or time as an instant; without an offset it is read in the given time zone.
    '2024-02-30' -> NULL; '2024-02-03' -> 2024-02-03 00:00 there. Days that every month has are read without a
    look at the calendar.
-#}
{% macro parse_timestamp(text, time_zone) -%}
case
    when {{ text }} ~ '^[12][0-9][0-9][0-9]-(0[1-9]|1[0-2])-([01][1-9]|10|2[0-8])$'
        then {{ text }}::timestamp at time zone {{ time_zone }}
    when
        btrim({{ text }}) ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?)?$'
        then (
            select
                case
                    when day > extract(day from make_date(year, month, 1) + interval '1 month - 1 day') then null
                    when moment ~ '(Z|[+-][0-9][0-9]:?[0-9][0-9])$' and moment like '%:%' then moment::timestamptz
                    else moment::timestamp at time zone {{ time_zone }}
                end
            from (
                select
                    btrim({{ text }}) as moment,
                    left(btrim({{ text }}), 4)::integer as year,
                    substr(btrim({{ text }}), 6, 2)::integer as month,
                    substr(btrim({{ text }}), 9, 2)::integer as day
            ) as parts
        )
end
{%- endmacro %}
