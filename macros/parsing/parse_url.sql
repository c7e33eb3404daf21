{#- Drops fragments and parameters that identify a visit, not a page: '/a?id=1&utm_source=x#top' -> '/a?id=1'. -#}
{% macro parse_url(text) -%}
case
    when {{ text }} ~ '[?#\s]'
        then nullif(
            regexp_replace(
                regexp_replace(
                    regexp_replace(btrim({{ text }}), '#.*$', ''),
                    '([?&])((utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|session(_?id)?|sid|token|ts|_)=[^&]*&?)+', '\1', 'gi'
                ),
                '[?&]$', ''
            ),
            ''
        )
    else nullif({{ text }}, '')
end
{%- endmacro %}
