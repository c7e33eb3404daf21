{#- Drops fragments and parameters that identify a visit, not a page: '/a?id=1&utm_source=x#top' -> '/a?id=1'. -#}
{% macro parse_url(text) -%}
nullif(
    case
        when {{ text }} !~ '[?#]' then btrim({{ text }})
        else rtrim(
            regexp_replace(
                split_part(btrim({{ text }}), '#', 1),
                '(?<=[?&])(?:utm_[a-z0-9_]+|gclid|fbclid|msclkid|mc_[ce]id|session(?:_?id)?|sid|token|ts|_)=[^&]*(?:&|$)',
                '', 'gi'
            ),
            '?&'
        )
    end,
    ''
)
{%- endmacro %}
