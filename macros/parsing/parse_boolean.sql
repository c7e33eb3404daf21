{#- 'yes' -> true; 'nein' -> false; anything else is NULL. -#}
{% macro parse_boolean(text) -%}
case
    when {{ text }} is null then null
    when lower(btrim({{ text }})) in ('yes', 'y', 'true', 't', '1', 'tak', 'ja', 'oui', 'si', 'sí', 'ano') then true
    when lower(btrim({{ text }})) in ('no', 'n', 'false', 'f', '0', 'nie', 'nein', 'non', 'ne') then false
end
{%- endmacro %}
