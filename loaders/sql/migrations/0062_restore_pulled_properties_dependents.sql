-- Undoes the switch: the view goes, and the legacy table takes its name back with all its rows; refused, with their
-- names, while other objects read the view.
create or replace function restore_pulled_properties() returns boolean
language plpgsql
set search_path from current
as $$
declare
    dependents text;
begin
    if not exists (
        select 1 from pg_class
        where relnamespace = current_schema()::regnamespace and relname = 'pulled_properties' and relkind = 'v'
    ) then
        return false;
    end if;
    begin
        drop view pulled_properties;
    exception when dependent_objects_still_exist then
        get stacked diagnostics dependents = pg_exception_detail;
        raise exception 'the view pulled_properties cannot go while others are built on it: %',
            replace(dependents, E'\n', ', ')
            using
                errcode = 'dependent_objects_still_exist',
                hint = 'Keep their definitions (`select pg_get_viewdef(''name'')`), drop them, run this again, and create '
                    'them anew: they then read the table.';
    end;
    drop index if exists pulled_properties_legacy_key;
    alter table pulled_properties_legacy rename to pulled_properties;
    insert into admin_audit_log (action, target) values ('restore legacy', 'pulled_properties');
    return true;
end
$$;
