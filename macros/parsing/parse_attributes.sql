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
                    when
                        {{ is_decimal('value') }} and length(value) <= 30
                        and not ltrim(value, '-') like any (array['+%', '00%', '01%', '02%', '03%', '04%', '05%', '06%', '07%', '08%', '09%'])
                        then value::jsonb
                    else to_jsonb({{ parse_text('value') }})
                end
            )
        from jsonb_each_text({{ attributes }}) as texts (name, value)
    )
end
{%- endmacro %}
