{#-
    Whether a listing breaks a rule that needs no other row; one that does is not broken here. Only `required` speaks about a missing value, `type` also
    about one that could not be read; NaN lies in no range and compares with nothing.
    `rule` names the rule's columns, `found` what its fields hold (is_missing, text_value, number_value, other_text,
    other_number), `listing` the listing itself.
-#}
{% macro breaks_rule(rule, found, listing) -%}
coalesce(
    case {{ rule }}.rule_type
        when 'range' then {{ out_of_bounds(found ~ '.number_value', rule ~ '.min_value', rule ~ '.max_value') }}
        when 'required' then {{ found }}.is_missing
        when 'type' then
            case
                when {{ found }}.is_missing then {{ rule }}.field_name = any({{ listing }}.unreadable_fields)
                when {{ rule }}.is_text_field
                    then {{ is_of_other_type(rule ~ '.expected_type', found ~ '.text_value') }}
                when {{ rule }}.expected_type = 'integer'
                    then {{ found }}.number_value <> trunc({{ found }}.number_value)
            end
        when 'enum' then {{ found }}.text_value <> all({{ rule }}.allowed_values)
        when 'pattern' then {{ found }}.text_value !~ {{ rule }}.pattern
        when 'length' then
            length({{ found }}.text_value) < {{ rule }}.min_value
            or length({{ found }}.text_value) > {{ rule }}.max_value
        when 'compare' then
            case {{ rule }}.operator
                when '=' then {{ found }}.text_value <> {{ found }}.other_text
                when '<>' then {{ found }}.text_value = {{ found }}.other_text
                else
                    not {{ in_order(found ~ '.number_value', rule ~ '.operator', found ~ '.other_number') }}
            end
        when 'geo_bounds' then
            coalesce(
                {{ out_of_bounds(listing ~ '.latitude', rule ~ '.min_latitude', rule ~ '.max_latitude') }}, false
            )
            or {{ out_of_bounds(listing ~ '.longitude', rule ~ '.min_longitude', rule ~ '.max_longitude') }}
        when 'freshness' then
            extract(
                epoch from {{ listing }}.observed_at
                - case
                    when {{ rule }}.is_text_field then {{ parse_timestamp(found ~ '.text_value', "'UTC'") }}
                    else {{ listing }}.listed_at
                end
            ) > {{ rule }}.max_age_hours * 3600
    end,
    false
)
{%- endmacro %}

{#- Whether a number lies outside bounds of which one may be NULL; true for NaN, which is greater than infinity. -#}
{% macro out_of_bounds(number, lower, upper) -%}
({{ number }} < coalesce({{ lower }}, '-Infinity') or {{ number }} > coalesce({{ upper }}, 'Infinity'))
{%- endmacro %}

{#- Whether two numbers stand in the order that an operator asks for; NULL where one is missing, else false for NaN. -#}
{% macro in_order(number, operator, other) -%}
case
    when {{ number }} is null or {{ other }} is null then null
    when {{ number }} = 'NaN' or {{ other }} = 'NaN' then false
    else
        case {{ operator }}
            when '<' then {{ number }} < {{ other }}
            when '<=' then {{ number }} <= {{ other }}
            when '>' then {{ number }} > {{ other }}
            when '>=' then {{ number }} >= {{ other }}
        end
end
{%- endmacro %}

{#-
    Whether a text is not written as its type asks; NULL for a missing text.
    ('number', '1.5') -> false; ('integer', '1.5') -> true; ('date', '2024-02-30') -> true; ('email', 'x@y') -> true.
-#}
{% macro is_of_other_type(expected_type, text) -%}
case {{ expected_type }}
    when 'number' then {{ text }} !~ '^[+-]?[0-9]+(\.[0-9]+)?$'
    when 'integer' then {{ text }} !~ '^[+-]?[0-9]+(\.0+)?$'
    when 'boolean' then {{ text }} is not null and {{ parse_boolean(text) }} is null
    when 'date' then {{ text }} is not null and {{ parse_timestamp(text, "'UTC'") }} is null
    when 'url' then {{ text }} !~* '^https?://[^[:space:]/?#]+[^[:space:]]*$'
    when 'email' then {{ text }} !~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:].]+$'
end
{%- endmacro %}
