{#-
    What becomes of an observed price beside the published one and the one held back, first match first. `confirmed`
    publishes a held price that the next observation says again, within 5 % and in the same currency; `held` keeps the
    published price because the move is beyond the limit, until the next observation that carries a price; `dropped`
    forgets the held price, since the next observation is within the limit or says that there is none. NULL where
    nothing is suspicious. In another currency no price is within the limit of the published one, so it takes the place
    of one that waits; where none does, the bare amount decides.
    (25000, 250000, NULL, 0.6) -> 'held'; then (25500, 250000, 25000, 0.6) -> 'confirmed' or
    (249000, 250000, 25000, 0.6) -> 'dropped'.
-#}
{% macro price_verdict(
    price, currency, is_observed, published_price, published_currency, held_price, held_currency, limit
) -%}
case
    when not {{ is_observed }} then null
    when
        abs({{ price }} - {{ held_price }}) <= 0.05 * abs({{ held_price }})
        and not {{ is_other_currency(currency, held_currency) }}
        then 'confirmed'
    when
        {{ is_other_currency(currency, published_currency) }}
        and num_nulls({{ price }}, {{ held_price }}, {{ limit }}) = 0
        then 'held'
    when abs({{ price }} - {{ published_price }}) > {{ limit }}::numeric * abs({{ published_price }}) then 'held'
    when {{ held_price }} is not null then 'dropped'
end
{%- endmacro %}
