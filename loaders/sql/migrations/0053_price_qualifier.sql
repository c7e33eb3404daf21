-- How a price is meant, such as "guide price", where a portal states it beside the price.
alter table property_scrapes_staging add column price_qualifier_text text;

do $$
begin
    execute replace(
        pg_get_functiondef('check_validation_rule'::regproc), '''price_period'',', '''price_period'', ''price_qualifier'','
    );
end
$$;
