{#- Detects values of a column outside 0 to 1; NULL passes. A returned row is such a value. -#}
{% test is_share(model, column_name) %}
select {{ column_name }} as share
from {{ model }}
where not coalesce({{ column_name }} between 0 and 1, true)
{% endtest %}
