-- The legacy table: pulled_properties, or what the switch renamed it to when a view took that name.
create function pulled_properties_table() returns regclass
language plpgsql
stable
set search_path from current
as $$
declare
    found regclass;
begin
    select classes.oid into found
    from pg_class as classes
    where
        classes.relnamespace = current_schema()::regnamespace
        and classes.relname in ('pulled_properties', 'pulled_properties_legacy')
        and classes.relkind in ('r', 'p')
    order by classes.relname
    limit 1;
    if found is null then
        raise exception 'there is no table pulled_properties in the schema %', current_schema()
            using errcode = 'undefined_table', hint = 'Restore or move the legacy table into that schema first.';
    end if;
    return found;
end
$$;
