-- Every change of a source's settings or of a rule leaves an audit row, whoever makes it.
create function audit_row_change() returns trigger
language plpgsql
set search_path from current
as $$
begin
    insert into admin_audit_log (action, target, details)
    values (
        lower(tg_op) || ' ' || tg_table_name,
        case tg_table_name
            when 'sources' then coalesce(to_jsonb(new), to_jsonb(old)) ->> 'source'
            else coalesce(to_jsonb(new), to_jsonb(old)) ->> 'rule_name'
        end,
        jsonb_build_object('old', to_jsonb(old), 'new', to_jsonb(new))
    );
    return null;
end
$$;

create trigger audit_sources
after insert or update or delete on sources
for each row execute function audit_row_change();

create trigger audit_validation_rules
after insert or update or delete on validation_rules
for each row execute function audit_row_change();
