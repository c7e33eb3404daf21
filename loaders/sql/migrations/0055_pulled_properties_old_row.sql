-- Beside a listing, the view serves the legacy row that was landed first, found by the id that was read from it.
do $$
begin
    execute replace(
        replace(
            replace(
                pg_get_functiondef('switch_pulled_properties'::regproc),
                '(btrim(%I::text))', '(btrim(%I::text, E'''' \t\r\n''''))'
            ),
            'btrim(legacy.%I::text) = ', 'btrim(legacy.%I::text, E'''' \t\r\n'''') = '
        ),
        'live.source_listing_id limit 1', 'live.source_listing_id order by to_jsonb(legacy.*)::text limit 1'
    );
end
$$;
