{#-
    What an observed listing is beside the published one, first match first. `differs` is decided field by field
    later; `touched` changes what only this project keeps (scopes, flags), never a field.
-#}
{% macro compared_outcome(observed, published) -%}
case
    when not {{ observed }}.may_publish then 'withheld'
    when {{ observed }}.is_rejected then 'rejected'
    when {{ observed }}.is_stale then 'stale'
    when {{ published }}.property_id is null then 'created'
    when {{ published }}.listing_status = 'removed' then 'reactivated'
    when ({{ observed }}.row_hash is distinct from {{ published }}.row_hash) then 'differs'
    when {{ observed }}.scope <> all({{ published }}.scopes) then 'touched'
    when ({{ observed }}.quality_flags is distinct from {{ published }}.quality_flags) then 'touched'
    else 'unchanged'
end
{%- endmacro %}
