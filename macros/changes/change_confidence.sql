{#-
    How much a change is to be believed, from 0 to 1. It never falls when the field is more reliable, the session
    covered more or more observations say the same, and never rises with the magnitude (0 to 1) of the change:

        believed once = kind x reliability x (0.6 + 0.4 x coverage) x (1 - 0.5 x magnitude)
        confidence    = 1 - (1 - believed once) x 0.5 ^ evidence

    `evidence` counts observations beyond the first that support it; -1, where none did, is taken for 0.
    ('updated', 0.98, 0, 1, 0) -> 0.98; ('updated', 0.98, 0.9, 1, 0) -> 0.54, confirmed by the next observation 0.77.
-#}
{% macro change_confidence(change_type, reliability, magnitude, coverage, evidence) -%}
round(
    (
        1 - (
            1
            - case {{ change_type }}
                when 'updated' then 1
                when 'created' then 0.95
                when 'reactivated' then 0.9
                when 'relisted' then 0.8
                when 'held' then 0.5
                else 0.6
            end
            * {{ reliability }}
            * (0.6 + 0.4 * {{ coverage }})
            * (1 - 0.5 * least(greatest(coalesce({{ magnitude }}, 0), 0), 1))
        ) * power(0.5, greatest({{ evidence }}, 0))
    )::numeric, 4
)::double precision
{%- endmacro %}
