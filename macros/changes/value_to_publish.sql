{#-
    The value of a field that the live row takes from an observation. Images that only changed their order stay as
    they were published: no event tells of them, so the live row would differ from the replayed feed.
-#}
{% macro value_to_publish(field, observed, published) -%}
{%- if field == 'images' -%}
case
    when {{ comparable(field, observed ~ '.' ~ field) }} = {{ comparable(field, published ~ '.' ~ field) }}
        then {{ published }}.{{ field }}
    else {{ observed_or(field, observed, published) }}
end
{%- else -%}
{{ observed_or(field, observed, published) }}
{%- endif -%}
{%- endmacro %}
