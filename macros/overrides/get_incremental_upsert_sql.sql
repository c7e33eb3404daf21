{#-
    Incremental strategy `upsert`: insert, or overwrite the row with the same key. The model's select must hold changed
    rows only. Chosen over dbt's merge because it also runs on distributed tables.
-#}
{% macro get_incremental_upsert_sql(arg_dict) %}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='name') | list -%}
    {%- set key = arg_dict['unique_key'] -%}
    insert into {{ arg_dict['target_relation'] }} ({{ columns | join(', ') }})
    select {{ columns | join(', ') }} from {{ arg_dict['temp_relation'] }}
    on conflict ({{ key }}) do update set
    {%- for column in columns if column != key %}
        {{ column }} = excluded.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}
