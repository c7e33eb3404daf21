{#-
    Entries of a list in the order stated: a JSON array of texts, or texts separated by '|', ';' or line breaks.
    With `is_set` they are sorted, so that order is no change. '["b", "a", "b"]' -> {b,a}, as a set {a,b}.
-#}
{% macro parse_list(text, entry='entry', is_set=false) -%}
case
    when nullif(btrim({{ text }}), '') is null then null
    else (
        {%- if is_set %}
        select array_agg(distinct {{ entry }} order by {{ entry }})
        from unnest({{ _list_entries(text) }}) as entries (entry)
        where {{ entry }} is not null
        {%- else %}
        select array_agg(value order by first_position)
        from (
            select {{ entry }} as value, min(position) as first_position
            from unnest({{ _list_entries(text) }}) with ordinality as entries (entry, position)
            group by value
        ) as cleaned
        where value is not null
        {%- endif %}
    )
end
{%- endmacro %}

{% macro _list_entries(text) -%}
case
    when
        ltrim({{ text }}) like '[%'
        and {{ text }} ~ '^\s*\[(\s*"([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4})*"\s*(,(?=\s*")|(?=\])))*\s*\]\s*$'
        then array(select jsonb_array_elements_text({{ text }}::jsonb))
    else string_to_array(translate({{ text }}, E';\n', '||'), '|')
end
{%- endmacro %}
