-- Reads every row of the legacy table, also those with json that jsonb cannot hold as it is.
do $$
begin
    execute replace(
        pg_get_functiondef('pulled_properties_rows'::regproc),
        'lateral to_jsonb(legacy) as record', 'lateral pulled_properties_record(row_to_json(legacy)::text) as record'
    );
end
$$;
