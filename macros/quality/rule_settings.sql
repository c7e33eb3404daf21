{#- A number of rule_config; NULL where it is missing. Never fails, whatever is written there. -#}
{% macro rule_number(setting) -%}
case when jsonb_typeof(rule_config -> '{{ setting }}') = 'number' then {{ safe_number("rule_config ->> '" ~ setting ~ "'") }} end
{%- endmacro %}

{#- A list of rule_config as texts; NULL where it is missing. -#}
{% macro rule_texts(setting) -%}
case
    when jsonb_typeof(rule_config -> '{{ setting }}') = 'array'
        then array(select jsonb_array_elements_text(rule_config -> '{{ setting }}'))
end
{%- endmacro %}
