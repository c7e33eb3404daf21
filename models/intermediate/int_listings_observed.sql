-- Estimates of how many rows are chosen are far too low; a nested loop would read the texts once per listing. How many
-- rows a session has is estimated far too high; scans would read all of the month's rows to find those of one day.
{{ config(
    pre_hook="set local enable_nestloop = off; set local enable_seqscan = off; set local work_mem = '64MB'",
    post_hook="analyze {{ this }} (session_id, property_id, evidence)",
    indexes=[{'columns': ['property_id', 'session_id'], 'unique': true}],
) }}

with

-- Read once for the choice of rows, which needs no values, and once for the rows chosen.
scraped as not materialized (

    select * from {{ ref('stg_scraped_listings') }}

),

-- The latest advert page (or file row) of a listing speaks for it, its latest card for what that could not carry; of
-- those seen at the same instant, as all rows of a crawl are, the first.
chosen_rows as (

    select
        session_id,
        property_id,
        (array_agg(row_no order by observation_kind = 'card' asc, observed_at desc, row_no asc))[1] as spoken_row_no,
        case
            when bool_or(observation_kind <> 'card')
                then
                    (
                        array_agg(row_no order by observed_at desc, row_no asc)
                        filter (where observation_kind = 'card')
                    )[1]
        end as card_row_no,
        max(evidence) as evidence,
        bool_or(is_read) as is_read,
        max(observed_at) as observed_at,
        count(*) as observation_count
    from scraped
    group by session_id, property_id

),

merged as (

    select
        spoken.sync_id,
        spoken.session_id,
        spoken.property_id,
        spoken.source_listing_id,
        spoken.source,
        spoken.scope,
        {%- for field in listing_fields() %}
        case when cards.row_no is null then spoken.{{ field }} else {{ observed_or(field, 'spoken', 'cards') }} end
            as {{ field }},
        {%- endfor %}
        case when cards.row_no is null then spoken.attributes else cards.attributes || spoken.attributes end
            as attributes,
        case
            when cards.row_no is null then spoken.unreadable_fields
            else
                array(
                    select distinct field_name
                    from unnest(spoken.unreadable_fields || cards.unreadable_fields) as unreadable (field_name)
                    order by field_name
                )
        end as unreadable_fields,
        case
            when cards.row_no is null and spoken.unreadable_fields = '{}' then spoken.observed_fields
            else
                array(
                    select distinct field_name
                    from unnest(spoken.observed_fields || cards.observed_fields) as carried (field_name)
                    where field_name <> all(spoken.unreadable_fields || cards.unreadable_fields)
                    order by field_name
                )
        end as observed_fields,
        chosen_rows.evidence,
        chosen_rows.is_read,
        chosen_rows.observation_count,
        chosen_rows.observed_at
    from chosen_rows
    inner join scraped as spoken
        on
            chosen_rows.session_id = spoken.session_id
            and chosen_rows.property_id = spoken.property_id
            and chosen_rows.spoken_row_no = spoken.row_no
    left join scraped as cards
        on
            chosen_rows.session_id = cards.session_id
            and chosen_rows.property_id = cards.property_id
            and chosen_rows.card_row_no = cards.row_no
            -- True already; it spares the reading of rows that are no cards.
            and cards.observation_kind = 'card'

)

select
    merged.*,
    {{ listing_hash('merged', attributes='jsonb_strip_nulls(merged.attributes)') }} as row_hash
from merged
