{#-
    Keeps, in the publish transaction and before the upsert, what the sync replaces in live rows. History has the
    fields of every version; this has what a rollback needs beside them. Listings that are new replace nothing.
-#}
{% macro keep_replaced() %}
insert into {{ target.schema }}.replaced_listings (
    property_id,
    session_id,
    sync_version,
    {%- for column in replaced_columns() %}
    {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
)
select
    published.property_id,
    replacing.session_id,
    syncs.base_version + 1,
    {%- for column in replaced_columns() %}
    published.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from (
    select property_id, session_id from {{ ref('int_listings_changed') }}
    union all
    select property_id, session_id from {{ ref('int_listings_missing') }} where outcome = 'removed'
) as replacing
inner join {{ ref('stg_published_listings') }} as published on replacing.property_id = published.property_id
inner join {{ target.schema }}.sync_metadata as syncs on syncs.status = 'running'
{% endmacro %}

{#- Columns of a live row that history does not keep, or not for changes without a version; those computed left out. -#}
{% macro replaced_columns() %}
    {% do return([
        'version', 'scopes', 'quality_flags', 'first_price', 'original_price', 'previous_price', 'lowest_price',
        'price_changed_at', 'held_price', 'held_currency', 'held_at', 'earlier_days_on_market', 'significant_baseline',
    ]) %}
{% endmacro %}
