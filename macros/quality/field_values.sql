{#- Fields that rules may name, in an order that turns a name into a position; attributes have none. -#}
{% macro rule_fields() -%}
    {% do return(dict([('source_listing_id', 'text')] + (listing_fields().items() | list))) %}
{%- endmacro %}

{#- 'price' -> 7, 'attributes.tax' -> NULL. Numbers are quicker to tell apart than names, once per listing and rule. -#}
{% macro field_position(field_name) -%}
array_position(array['{{ rule_fields() | join("', '") }}'], {{ field_name }})
{%- endmacro %}

{#- 'attributes.tax' -> 'tax', 'price' -> NULL. -#}
{% macro attribute_name(field_name) -%}
case when {{ field_name }} like 'attributes.%' then substr({{ field_name }}, length('attributes.') + 1) end
{%- endmacro %}

{#- Whether a field is kept as text, so that its values may be written in any way: texts and attributes. -#}
{% macro is_text_field(field_name) -%}
{%- set own_types = [] -%}
{%- for field, data_type in listing_fields().items() if data_type != 'text' -%}
    {%- do own_types.append(field) -%}
{%- endfor -%}
{{ field_name }} <> all(array['{{ own_types | join("', '") }}'])
{%- endmacro %}

{#- Any field of a listing as text: numbers without trailing zeros, entries of a list joined with |, instants in UTC. -#}
{% macro field_as_text(listing, position, attribute) -%}
case {{ position }}
    {%- for field, data_type in rule_fields().items() %}
    when {{ loop.index }} then
        {% if data_type == 'text[]' -%} array_to_string({{ listing }}.{{ field }}, '|')
        {%- elif data_type == 'numeric' -%} trim_scale({{ listing }}.{{ field }})::text
        {%- elif data_type == 'text' -%} {{ listing }}.{{ field }}
        {%- elif data_type == 'timestamp with time zone' -%} ({{ listing }}.{{ field }} at time zone 'UTC')::text || '+00'
        {%- else -%} {{ listing }}.{{ field }}::text
        {%- endif %}
    {%- endfor %}
    else {{ json_text(listing ~ '.attributes -> ' ~ attribute) }}
end
{%- endmacro %}

{#- A JSON value as text, numbers as those of a column: 547900.0 -> 547900, "2.50" -> 2.50. -#}
{% macro json_text(value) -%}
case
    when jsonb_typeof({{ value }}) = 'number' then trim_scale(({{ value }} #>> '{}')::numeric)::text
    else {{ value }} #>> '{}'
end
{%- endmacro %}

{#- A number, how many entries a list has, or an attribute that is a number; NULL for everything else. -#}
{% macro field_as_number(listing, position, attribute) -%}
case {{ position }}
    {%- for field, data_type in rule_fields().items() %}
    {%- if data_type in ('numeric', 'integer', 'double precision') %}
    when {{ loop.index }} then {{ listing }}.{{ field }}::double precision
    {%- elif data_type == 'text[]' %}
    when {{ loop.index }} then cardinality({{ listing }}.{{ field }})
    {%- endif %}
    {%- endfor %}
    else
        case
            when jsonb_typeof({{ listing }}.attributes -> {{ attribute }}) = 'number'
                then {{ safe_number(listing ~ '.attributes ->> ' ~ attribute) }}
        end
end
{%- endmacro %}

{#- Whether a listing has no value for a field. -#}
{% macro field_is_missing(listing, position, attribute) -%}
case {{ position }}
    {%- for field in rule_fields() %}
    when {{ loop.index }} then {{ listing }}.{{ field }} is null
    {%- endfor %}
    else {{ listing }}.attributes ->> {{ attribute }} is null
end
{%- endmacro %}

{#- Whether an observation could not carry a field, so that what is known of it came with an earlier one. -#}
{% macro field_is_unseen(listing, field_name) -%}
case
    when {{ field_name }} like 'attributes.%' then not ({{ listing }}.attributes ? {{ attribute_name(field_name) }})
    else {{ field_name }} <> all({{ listing }}.observed_fields || array['source_listing_id'])
end
{%- endmacro %}

{#- The text of a JSON number as double precision, within bounds that no arithmetic of a rule leaves: 1e400 -> 1e100. -#}
{% macro safe_number(text) -%}
round(least(greatest(({{ text }})::numeric, -1e100), 1e100), 100)::double precision
{%- endmacro %}
