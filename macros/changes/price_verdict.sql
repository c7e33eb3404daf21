{#-
    What becomes of an observed price that lies beyond the source's limit for suspicious moves, first match first.
    `held` keeps the published price until the next observation that carries one; `confirmed` publishes a price
    that the next observation says again, within 5 %; `dropped` forgets the held one, because the next observation
    says something within the limit, or that there is no price. NULL where nothing is suspicious or pending.
    Both arguments name relations: the observation with `is_price_observed` and `suspicious_price_change`, and the
    live row with `held_price`.
-#}
{% macro price_verdict(observed, published) -%}
case
    when {{ published }}.property_id is null or not {{ observed }}.is_price_observed then null
    when
        {{ observed }}.price is not null
        and abs({{ observed }}.price - {{ published }}.held_price) <= 0.05 * abs({{ published }}.held_price)
        then 'confirmed'
    when
        abs({{ observed }}.price - {{ published }}.price)
        > {{ observed }}.suspicious_price_change::numeric * abs({{ published }}.price)
        then 'held'
    when {{ published }}.held_price is not null then 'dropped'
end
{%- endmacro %}
