-- Dates each state of the legacy table after the one before it, also when the clock was set back in between.
do $$
begin
    execute replace(
        replace(
            replace(
                replace(
                    pg_get_functiondef('migrate_pulled_properties_to_live'::regproc),
                    'opened constant timestamptz := clock_timestamp();',
                    'opened constant timestamptz := clock_timestamp();' || E'\n    observed timestamptz;'
                ),
                'insert into sources (source) values (''legacy'') on conflict do nothing;',
                'insert into sources (source) values (''legacy'') on conflict do nothing;'
                || E'\n    observed := next_observed_at(''legacy'');'
            ),
            '''import'', opened, opened, opened)', '''import'', opened, observed, opened)'
        ),
        'insert into legacy_migrations (session_id, mapping, content_hash, rows_read)'
        || E'\n    values (new_session, mapping, content, read_count);',
        'insert into legacy_migrations (session_id, mapping, content_hash, rows_read, landed_at)'
        || E'\n    values (new_session, mapping, content, read_count, observed);'
    );
    execute replace(
        pg_get_functiondef('migrate_pulled_properties_to_live'::regproc),
        'source_listing_id, ''import'', opened,', 'source_listing_id, ''import'', observed,'
    );
end
$$;
