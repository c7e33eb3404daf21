{#- Drops fragments and parameters that identify a visit, not a page: '/a?id=1&utm_source=x#top' -> '/a?id=1'. -#}
{% macro parse_url(text) -%}
{%- set address = "split_part(btrim(" ~ text ~ "), '#', 1)" -%}
nullif(
    case
        when {{ text }} not like '%?%' and {{ text }} not like '%#%' then btrim({{ text }})
        else
            rtrim(
                split_part({{ address }}, '?', 1) || '?'
                || ltrim(
                    regexp_replace(
                        '&' || substr({{ address }}, strpos({{ address }} || '?', '?') + 1),
                        '&(?:utm_[^=&]*|gclid|fbclid|msclkid|mc_[ce]id|session(?:_?id)?|sid|token|ts|_)=[^&]*',
                        '', 'gi'
                    ),
                    '&'
                ),
                '?&'
            )
    end,
    ''
)
{%- endmacro %}
