{#-
    Raw attribute texts by name, normalised: numbers become JSON numbers, blanks null.
    {"tax": "547900.0", "use": " flat "} -> {"tax": 547900.0, "use": "flat"}.
-#}
{% macro parse_attributes(attributes) -%}
case
    when {{ attributes }} = '{}' then {{ attributes }}
    else (
        select
            jsonb_object_agg(
                name,
                case
                    when value ~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?$' and length(value) <= 30 then value::jsonb
                    else to_jsonb({{ parse_text('value') }})
                end
            )
        from jsonb_each_text({{ attributes }}) as texts (name, value)
    )
end
{%- endmacro %}
