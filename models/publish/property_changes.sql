{{ config(
    incremental_strategy='append',
    indexes=[
        {'columns': ['sequence'], 'unique': true},
        {'columns': ['sync_id']},
        {'columns': ['source', 'observed_at']},
    ],
    pre_hook=["{{ guard_run() }}", "delete from {{ this }} where not is_published"],
    post_hook="{{ record_candidates() }}",
) }}
-- depends_on: {{ ref('int_session_counts') }}

with

changes as (

    select * from {{ ref('int_listing_changes') }}

),

numbered as (

    select
        *,
        {{ json_number('old_value') }} as old_number,
        {{ json_number('new_value') }} as new_number
    from changes

),

in_feed_order as (

    select
        property_id,
        md5(concat_ws('|', 'sync', session_id, property_id, change_type, field_name))::uuid as change_id,
        sync_id,
        session_id,
        source,
        scope,
        change_type,
        field_name,
        old_value,
        new_value,
        case when not is_incomparable then {{ absolute_change('old_number', 'new_number') }} end as absolute_change,
        case when not is_incomparable then {{ relative_change('old_number', 'new_number') }} end as relative_change,
        is_significant,
        confidence,
        {{ major_change_type('change_type', 'field_name', 'removal_reason') }} as major_change_type,
        status,
        reason,
        removal_reason,
        observed_at
    from numbered
    order by source, observed_at, session_id, property_id, change_type, field_name

)

select
    property_id,
    change_id,
    nextval('{{ target.schema }}.property_changes_sequence') as sequence,
    false as is_published,
    sync_id,
    session_id,
    source,
    scope,
    change_type,
    field_name,
    old_value,
    new_value,
    absolute_change,
    relative_change,
    is_significant,
    confidence,
    major_change_type,
    status,
    reason,
    removal_reason,
    now() as detected_at,
    observed_at
from in_feed_order
