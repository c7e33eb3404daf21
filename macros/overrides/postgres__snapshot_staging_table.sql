{#-
    dbt's own query reads every current row of the history; this one looks up only the listings of the snapshot query.
    It also keeps intervals in order: a row is valid from its observation, or from just after its predecessor began.
-#}
{% macro postgres__snapshot_staging_table(strategy, source_sql, target_relation) -%}
{%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
{%- set begins_at -%}
greatest(
            source_data.{{ strategy.updated_at }},
            snapshotted_data.{{ columns.dbt_valid_from }} + interval '1 microsecond'
        )
{%- endset -%}
with

source_data as materialized (

    {{ source_sql }}

),

opened as (

    select
        'insert' as dbt_change_type,
        source_data.*,
        source_data.{{ strategy.unique_key }} as dbt_unique_key,
        source_data.{{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
        {{ begins_at }} as {{ columns.dbt_valid_from }},
        null::timestamptz as {{ columns.dbt_valid_to }},
        {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}
    from source_data
    left join {{ target_relation }} as snapshotted_data
        on
            source_data.{{ strategy.unique_key }} = snapshotted_data.{{ strategy.unique_key }}
            and snapshotted_data.{{ columns.dbt_valid_to }} is null
    where snapshotted_data.{{ strategy.unique_key }} is null or {{ strategy.row_changed }}

),

closed as (

    select
        'update' as dbt_change_type,
        source_data.*,
        source_data.{{ strategy.unique_key }} as dbt_unique_key,
        source_data.{{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
        {{ begins_at }} as {{ columns.dbt_valid_from }},
        {{ begins_at }} as {{ columns.dbt_valid_to }},
        snapshotted_data.{{ columns.dbt_scd_id }} as {{ columns.dbt_scd_id }}
    from source_data
    inner join {{ target_relation }} as snapshotted_data
        on
            source_data.{{ strategy.unique_key }} = snapshotted_data.{{ strategy.unique_key }}
            and snapshotted_data.{{ columns.dbt_valid_to }} is null
    where {{ strategy.row_changed }}

)

select * from opened
union all
select * from closed
{%- endmacro %}

{#- dbt joins the rows to close by their text id, without an index; this one uses the key of the current rows. -#}
{% macro postgres__snapshot_merge_sql(target, source, insert_cols) -%}
{%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
{%- set key = config.get('unique_key') -%}
analyze {{ source }};

update {{ target }} as superseded
set {{ columns.dbt_valid_to }} = closing.{{ columns.dbt_valid_to }}
from {{ source }} as closing
where
    superseded.{{ key }} = closing.{{ key }}
    and superseded.{{ columns.dbt_valid_to }} is null
    and closing.dbt_change_type = 'update';

insert into {{ target }} ({{ insert_cols | join(', ') }})
select {{ insert_cols | join(', ') }}
from {{ source }}
where dbt_change_type = 'insert';
{%- endmacro %}
