{#- Statements of a hook as one transaction, which ends with its client. -#}
{% macro in_transaction(statements) -%}
begin; set local client_connection_check_interval = '2s'; {{ statements }}; commit;
{%- endmacro %}
