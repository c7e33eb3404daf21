{#-
    Entries of a list in the order stated: a JSON array of texts, or texts separated by '|', ';' or line breaks.
    With `is_set` they are sorted, so that order is no change. '["b", "a", "b"]' -> {b,a}, as a set {a,b}.
-#}
{% macro parse_list(text, entry='entry', is_set=false) -%}
case
    when nullif(btrim({{ text }}), '') is null then null
    else (
        select {% if is_set %}array_agg(distinct value order by value){% else %}array_agg(value order by first_position){% endif %}

        from (
            select {{ entry }} as value, min(position) as first_position
            from unnest(
                case
                    when {{ text }} ~ '^\s*\[(\s*"([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4})*"\s*(,(?=\s*")|(?=\])))*\s*\]\s*$'
                        then array(select jsonb_array_elements_text({{ text }}::jsonb))
                    else regexp_split_to_array({{ text }}, '\s*[|;\n]\s*')
                end
            ) with ordinality as entries (entry, position)
            where btrim(entry) <> ''
            group by value
        ) as cleaned
    )
end
{%- endmacro %}
