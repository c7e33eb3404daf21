{#- Drops fragments and parameters that identify a visit, not a page: '/a?id=1&utm_source=x#top' -> '/a?id=1'. -#}
{% macro parse_url(text) -%}
{%- set address = "split_part(btrim(" ~ text ~ "), '#', 1)" -%}
nullif(
    case
        when {{ text }} not like '%?%' and {{ text }} not like '%#%' then btrim({{ text }})
        else
            rtrim(
                split_part({{ address }}, '?', 1) || '?'
                || array_to_string(
                    array(
                        select stated.parameter
                        from
                            unnest(
                                string_to_array(substr({{ address }}, strpos({{ address }} || '?', '?') + 1), '&')
                            ) as stated (parameter)
                        where
                            lower(split_part(stated.parameter, '=', 1)) <> all(
                                array[
                                    'gclid', 'fbclid', 'msclkid', 'mc_cid', 'mc_eid', 'session', 'sessionid', 'session_id',
                                    'sid', 'token', 'ts', '_'
                                ]
                            )
                            and stated.parameter not ilike 'utm\_%'
                    ), '&'
                ),
                '?&'
            )
    end,
    ''
)
{%- endmacro %}
