{#- Whether two currencies are known and differ; one that is unknown is not another one. ('EUR', NULL) -> false. -#}
{% macro is_other_currency(currency, other) -%}
coalesce({{ currency }} <> {{ other }}, false)
{%- endmacro %}
