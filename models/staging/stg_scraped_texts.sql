{%- set parsed_types = ('text', 'text[]') %}
select
    property_id,
    session_id,

    observation_kind,
    {%- for field, data_type in listing_fields().items() if data_type not in parsed_types %}
    {{ field }}_text,
    {%- endfor %}

    row_no,

    landed_at
from {{ source('property_manager', 'property_scrapes_staging') }}
