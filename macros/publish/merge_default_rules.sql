{#- Adds the shipped rules that are missing; a rule that exists stays as it is, also where someone changed it. -#}
{% macro merge_default_rules() %}
insert into {{ target.schema }}.validation_rules (
    rule_name, field_name, rule_type, rule_config, severity, description, origin
)
select rule_name, field_name, rule_type, rule_config, severity, description, 'default'
from {{ this }}
where rule_name not in (select rule_name from {{ target.schema }}.validation_rules)
on conflict (rule_name) do nothing
{% endmacro %}
