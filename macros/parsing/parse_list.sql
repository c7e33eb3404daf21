{#-
    Entries of a list in the order stated, each once: a JSON array of texts, or texts separated by '|', ';' or line
    breaks. '["b", "a", "b"]' -> {b,a}. Most lists are plain, say nothing twice and are split without a second look.
-#}
{% macro parse_list(text, entry='entry') -%}
case
    when nullif(btrim({{ text }}), '') is null then null
    when
        {{ text }} !~ '[?#;\s\[]|\|\||^\||\|$'
        and cardinality(string_to_array({{ text }}, '|'))
        = cardinality(array(select distinct unnest(string_to_array({{ text }}, '|'))))
        then string_to_array({{ text }}, '|')
    else (
        select array_agg(value order by first_position)
        from (
            select {{ entry }} as value, min(position) as first_position
            from unnest({{ _list_entries(text) }}) with ordinality as entries (entry, position)
            group by value
        ) as cleaned
        where value is not null
    )
end
{%- endmacro %}

{#- The entries of such a list as a sorted set, so that order is no change: '["b", "a", "b"]' -> {a,b}. -#}
{% macro parse_set(text, entry='entry') -%}
case
    when nullif(btrim({{ text }}), '') is null then null
    else nullif(
        array(
            select distinct cleaned.value
            from (
                select {{ entry }} as value
                from (select unnest({{ _list_entries(text) }}) as entry) as entries
            ) as cleaned
            where cleaned.value is not null
            order by cleaned.value
        ),
        '{}'
    )
end
{%- endmacro %}

{% macro _list_entries(text) -%}
case
    when
        {{ text }} like '%[%'
        and {{ text }} ~ '^\s*\[(\s*"([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4})*"\s*(,(?=\s*")|(?=\])))*\s*\]\s*$'
        then array(select jsonb_array_elements_text({{ text }}::jsonb))
    else string_to_array(translate({{ text }}, E';\n', '||'), '|')
end
{%- endmacro %}
