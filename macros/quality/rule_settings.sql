{#- A number of rule_config; NULL where it is missing. Never fails, whatever is written there. -#}
{% macro rule_number(setting) -%}
case when jsonb_typeof(rule_config -> '{{ setting }}') = 'number' then {{ safe_number("rule_config ->> '" ~ setting ~ "'") }} end
{%- endmacro %}

{#- A list of rule_config as texts, numbers without trailing zeros; NULL where it is missing. -#}
{% macro rule_texts(setting) -%}
case
    when jsonb_typeof(rule_config -> '{{ setting }}') = 'array'
        then array(
            select {{ json_text('entries.entry') }}
            from jsonb_array_elements(rule_config -> '{{ setting }}') with ordinality as entries (entry, entry_number)
            order by entries.entry_number
        )
end
{%- endmacro %}
