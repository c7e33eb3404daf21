{#-
    What an observed listing is beside the published one, first match first. `gone` and `sold` are evidence that it
    left; `unread` was seen and never published, and there is nothing to publish yet. `differs` is decided field by
    field later, also where a held price waits for its verdict; `touched` changes what only this project keeps (scopes,
    flags), never a field.
-#}
{% macro compared_outcome(observed, published) -%}
case
    when not {{ observed }}.may_publish then 'withheld'
    when {{ observed }}.evidence is not null and not {{ observed }}.is_stale then {{ observed }}.evidence
    when {{ observed }}.is_rejected then 'rejected'
    when {{ observed }}.is_stale then 'stale'
    when {{ published }}.property_id is null and not {{ observed }}.is_read then 'unread'
    when {{ published }}.property_id is null then 'created'
    when {{ published }}.listing_status = 'removed' then 'reactivated'
    when {{ observed }}.row_hash <> {{ published }}.row_hash then 'differs'
    when {{ published }}.held_price is not null then 'differs'
    when {{ observed }}.scope <> all({{ published }}.scopes) then 'touched'
    when {{ observed }}.quality_flags <> {{ published }}.quality_flags then 'touched'
    else 'unchanged'
end
{%- endmacro %}
