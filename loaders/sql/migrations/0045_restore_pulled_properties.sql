-- Undoes the switch: the view goes, and the legacy table takes its name back with all its rows.
create function restore_pulled_properties() returns boolean
language plpgsql
set search_path from current
as $$
begin
    if not exists (
        select 1 from pg_class
        where relnamespace = current_schema()::regnamespace and relname = 'pulled_properties' and relkind = 'v'
    ) then
        return false;
    end if;
    drop view pulled_properties;
    drop index if exists pulled_properties_legacy_key;
    alter table pulled_properties_legacy rename to pulled_properties;
    insert into admin_audit_log (action, target) values ('restore legacy', 'pulled_properties');
    return true;
end
$$;
