-- Lets a view of the live table take the name pulled_properties, for those who could read the legacy table and in the
-- columns they could read; refused where policies decide about its rows, which the view could not follow.
create or replace function switch_pulled_properties() returns boolean
language plpgsql
set search_path from current
as $$
declare
    legacy constant regclass := pulled_properties_table();
    mapping jsonb := (select legacy_migrations.mapping from legacy_migrations order by landed_at desc limit 1);
    select_list text;
    reader record;
begin
    if legacy = to_regclass('pulled_properties_legacy') then
        return false;
    end if;
    if mapping is null or to_regclass('properties_live') is null then
        raise exception 'pulled_properties was not migrated yet'
            using hint = 'Run `property-manager migrate-legacy` first.';
    end if;
    if (select relrowsecurity from pg_class where oid = legacy) then
        raise exception 'pulled_properties has row level security, and a view of the live table cannot follow its policies'
            using hint = 'Let its readers move to a view of your own over properties_live; or, where every reader of the table '
                'may see every listing, run `alter table pulled_properties disable row level security` first.';
    end if;
    select
        string_agg(
            format(
                '%s as %I',
                legacy_column_expression(attname::text, atttypid::regtype, field_name),
                attname
            ),
            ', ' order by attnum
        )
    into select_list
    from pg_attribute
    left join lateral (
        select key as field_name from jsonb_each_text(mapping)
        where value = attname
        order by key <> 'source_listing_id', key
        limit 1
    ) as fed on true
    where attrelid = legacy and attnum > 0 and not attisdropped;

    execute format('alter table %s rename to pulled_properties_legacy', legacy);
    execute format(
        'create index if not exists pulled_properties_legacy_key on pulled_properties_legacy '
        '(btrim(%I::text, E'' \t\r\n''))',
        mapping ->> 'source_listing_id'
    );
    execute format(
        'create view pulled_properties with (security_barrier) as '
        'select %s from properties_live as live '
        'left join lateral ('
        'select * from pulled_properties_legacy as legacy '
        'where live.source = ''legacy'' and btrim(legacy.%I::text, E'' \t\r\n'') = live.source_listing_id '
        'order by pulled_properties_record(row_to_json(legacy.*)::text)::text limit 1'
        ') as old on true '
        'where live.is_published and live.listing_status = ''active''',
        select_list,
        mapping ->> 'source_listing_id'
    );
    comment on view pulled_properties is
    'Active listings of the live table in the columns of the legacy table. One row per listing.';
    for reader in
        select
            granted.columns,
            case granted.grantee when 0 then 'public' else granted.grantee::regrole::text end as role_name,
            case when bool_or(granted.is_grantable) then ' with grant option' else '' end as grant_option
        from (
            select '' as columns, acl.grantee, acl.privilege_type, acl.is_grantable
            from pg_class cross join aclexplode(coalesce(relacl, acldefault('r', relowner))) as acl
            where pg_class.oid = legacy
            union all
            select format('(%I)', attname), acl.grantee, acl.privilege_type, acl.is_grantable
            from pg_attribute cross join aclexplode(attacl) as acl
            where attrelid = legacy and attnum > 0 and not attisdropped
        ) as granted
        where granted.privilege_type = 'SELECT' and granted.grantee <> current_user::regrole
        group by granted.columns, granted.grantee
    loop
        execute format(
            'grant select %s on pulled_properties to %s%s', reader.columns, reader.role_name, reader.grant_option
        );
    end loop;
    insert into admin_audit_log (action, target) values ('switch legacy', 'pulled_properties');
    return true;
end
$$;
