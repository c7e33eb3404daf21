{#-
    RESO's MajorChangeType of a change; NULL for those that RESO does not call major.
    ('updated', 'price', NULL) -> 'Price Change'; ('removed', NULL, 'sold') -> 'Closed'.
-#}
{% macro major_change_type(change_type, field_name, removal_reason) -%}
case
    when {{ change_type }} = 'created' then 'New Listing'
    when {{ change_type }} in ('reactivated', 'relisted') then 'Back On Market'
    when {{ change_type }} = 'updated' and {{ field_name }} = 'price' then 'Price Change'
    when {{ change_type }} in ('removed', 'restored') and {{ removal_reason }} = 'sold' then 'Closed'
    when {{ change_type }} in ('removed', 'restored') and {{ removal_reason }} is not null then 'Withdrawn'
    when {{ change_type }} = 'restored' then 'Back On Market'
    when {{ change_type }} = 'retracted' then 'Deleted'
end
{%- endmacro %}
