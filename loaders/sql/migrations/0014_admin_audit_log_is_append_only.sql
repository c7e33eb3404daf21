-- An audit row is never changed or removed.
create function refuse_audit_change() returns trigger
language plpgsql
set search_path from current
as $$
begin
    raise exception 'admin_audit_log is append-only' using errcode = 'insufficient_privilege';
end
$$;

create trigger admin_audit_log_is_append_only
before update or delete or truncate on admin_audit_log
for each statement execute function refuse_audit_change();
