{#- Fewest listings from which the gate draws a conclusion about a session; shares of fewer are chance. -#}
{% macro enough_listings() %}20{% endmacro %}
