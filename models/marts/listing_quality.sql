with

listings as (

    select * from {{ ref('properties_live') }}

),

weights as (

    select
        {%- for field in listing_fields() %}
        coalesce(max(weight) filter (where field_name = '{{ field }}'), 0) as {{ field }},
        {%- endfor %}
        sum(weight) as total
    from {{ ref('completeness_weights') }}

)

select
    listings.property_id,

    listings.source_listing_id,
    listings.source,
    listings.listing_status,
    listings.quality_flags,
    array_remove(
        array[
            {%- for field in listing_fields() %}
            case when listings.{{ field }} is null and weights.{{ field }} > 0 then '{{ field }}' end,
            {%- endfor %}
            null
        ],
        null
    ) as missing_fields,

    (
        {%- for field in listing_fields() %}
        {{ '+ ' if not loop.first }}case when listings.{{ field }} is null then 0 else weights.{{ field }} end
        {%- endfor %}
    ) / nullif(weights.total, 0) as completeness_score,

    listings.observed_at
from listings
cross join weights
