{#-
    A 64-bit hash over the tracked fields and attributes of a row: equal rows have equal hashes. A cache that may be
    rebuilt at any time, since PostgreSQL promises no stability across major versions.
-#}
{% macro listing_hash(relation, attributes=none) -%}
hash_record_extended(
    row(
        {%- for field in listing_fields() %}
        {{ comparable(field, relation ~ '.' ~ field) }},
        {%- endfor %}
        {{ attributes or relation ~ '.attributes' }}
    ), 0
)
{%- endmacro %}

{#- The value that decides whether a field changed: images are compared as a set, their order is no change. -#}
{% macro comparable(field, value) -%}
{%- if field == 'images' -%}
(select array_agg(distinct entry order by entry) from unnest({{ value }}) as images (entry))
{%- else -%}
{{ value }}
{%- endif -%}
{%- endmacro %}
