{#-
    The size of a change on a scale from 0 to 1 that fits every field: shares as they are, differences and metres
    against the threshold of the field; a value that vanished is the largest change, one that appeared the smallest.
-#}
{% macro change_magnitude(comparison, threshold, size, old_value, new_value) -%}
case
    when {{ old_value }} is null then 0
    when {{ new_value }} is null then 1
    when {{ comparison }} in ('absolute', 'distance')
        then {{ size }} / nullif({{ size }} + 10 * coalesce({{ threshold }}, 1), 0)
    when {{ comparison }} in ('relative', 'similarity', 'set') then least({{ size }}, 1)
    else 0.5
end
{%- endmacro %}
