{#- '4.0' -> 4; 'ground floor' -> 0; '3.5' -> NULL. -#}
{% macro parse_integer(text, number_format) -%}
case
    when nullif({{ text }}, '') is null then null
    when {{ is_decimal(text) }} and length({{ text }}) <= 9 and rtrim(split_part({{ text }}, '.', 2), '0') = ''
        then {{ text }}::numeric::integer
    when lower(btrim({{ text }})) in ('ground', 'ground floor', 'parter', 'erdgeschoss', 'rez-de-chaussée') then 0
    else (
        select case when number = trunc(number) and abs(number) < 1e9 then number::integer end
        from (select {{ parse_number(text, number_format) }} as number) as parsed
    )
end
{%- endmacro %}
