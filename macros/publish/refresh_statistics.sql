{#-
    Lets PostgreSQL know the published tables of which this run changed a tenth or more, in the columns that syncs
    search by. Autovacuum knows them all, but minutes later: the next sync would be planned for tables that are believed
    to be almost empty.
-#}
{% macro refresh_statistics() %}
do $statistics$
declare
    changed text;
begin
    for changed in
        with touched as (
            select observed, observed - unchanged + removed as changed
            from {{ target.schema }}.sync_metadata
            where status = 'complete' and invocation_id = '{{ invocation_id }}'
        )
        select format('%s (%s)', counted.table_name, counted.columns)
        from touched
        cross join lateral (
            values
            (
                '{{ target.schema }}.properties_live'::regclass,
                'property_id, source, source_listing_id, scopes, listing_status, removed_at, relisted_from',
                touched.changed
            ),
            ('{{ target.schema }}.property_changes', 'property_id, sync_id, session_id, is_published', touched.changed),
            ('{{ target.schema }}.properties_history', 'property_id, valid_to', touched.changed),
            ('{{ target.schema }}.listing_sightings', 'property_id, session_id, observed_at', touched.observed)
        ) as counted (table_name, columns, row_count)
        inner join pg_class as classes on counted.table_name = classes.oid
        where counted.row_count > 0 and counted.row_count >= 0.1 * classes.reltuples
    loop
        execute 'analyze (skip_locked) ' || changed;
    end loop;
end
$statistics$
{% endmacro %}
