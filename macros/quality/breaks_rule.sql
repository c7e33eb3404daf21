{#-
    Whether a value breaks a rule. Only `required` speaks about a missing value; NaN lies in no range.
    Both arguments name relations: the rule's columns and the value's `text_value` and `number_value`.
-#}
{% macro breaks_rule(rule, value) -%}
coalesce(
    case {{ rule }}.rule_type
        when 'required' then {{ value }}.text_value is null and {{ value }}.number_value is null
        when 'range' then
            {{ value }}.number_value = 'NaN'
            or {{ value }}.number_value < {{ rule }}.min_value
            or {{ value }}.number_value > {{ rule }}.max_value
        when 'pattern' then coalesce({{ value }}.text_value, {{ value }}.number_value::text) !~ {{ rule }}.pattern
        when 'enum' then
            coalesce({{ value }}.text_value, {{ value }}.number_value::text) <> all({{ rule }}.allowed_values)
    end,
    false
)
{%- endmacro %}
