{#-
    How evenly listings spread over places, as Shannon entropy divided by its largest value: 0 when all are in one
    place, 1 when every place has as many.
    evenness of (50, 50) → 1, of (99, 1) → 0.08, of (100) → 0
-#}
{% macro evenness(count) -%}
coalesce(({{ _entropy(count) }} / nullif(ln(count(*)::double precision), 0)), 0)
{%- endmacro %}

{#-
    How many equally large places would be as diverse: e to the power of the entropy.
    effective_places of (50, 50) → 2, of (99, 1) → 1.06, of (100) → 1
-#}
{% macro effective_places(count) -%}
exp({{ _entropy(count) }})
{%- endmacro %}

{% macro _entropy(count) -%}
greatest(
    ln(sum({{ count }})::double precision)
    - sum({{ count }} * ln({{ count }}::double precision)) / sum({{ count }})::double precision,
    0
)
{%- endmacro %}
