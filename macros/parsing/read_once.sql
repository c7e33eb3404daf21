{#- Ends a query of expressions so that each is worked out once, however often its value is used. -#}
{% macro read_once() -%}
from (values (true)) as this_row (is_read_once) offset 0
{%- endmacro %}
