{#-
    The value of a field that the live row takes from an observation. Of a field that the gate froze nothing is
    taken. Images that only changed their order stay as they were published: no event tells of them, so the live row
    would differ from the replayed feed.
-#}
{% macro value_to_publish(field, observed, published, frozen_fields) -%}
case
    when '{{ field }}' = any({{ frozen_fields }}) then {{ published }}.{{ field }}
    {%- if field == 'images' %}
    when {{ comparable(field, observed ~ '.' ~ field) }} = {{ comparable(field, published ~ '.' ~ field) }}
        then {{ published }}.{{ field }}
    {%- endif %}
    else {{ observed_or(field, observed, published) }}
end
{%- endmacro %}
