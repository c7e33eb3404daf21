-- Lets the legacy table feed price_qualifier, as it feeds every other field.
do $$
begin
    execute replace(
        pg_get_functiondef('pulled_properties_mapping'::regproc),
        '(''area_m2'', ',
        '(''price_qualifier'', ''{price_qualifier}''),' || E'\n        (''area_m2'', '
    );
    execute replace(
        replace(
            pg_get_functiondef('migrate_pulled_properties_to_live'::regproc),
            'price_period_text, ', 'price_period_text, price_qualifier_text, '
        ),
        'record ->> (mapping ->> ''price_period''), ',
        'record ->> (mapping ->> ''price_period''), record ->> (mapping ->> ''price_qualifier''), '
    );
end
$$;
