-- Lets a view of the live table take the name pulled_properties; the legacy table stays as pulled_properties_legacy.
create function switch_pulled_properties() returns boolean
language plpgsql
set search_path from current
as $$
declare
    legacy constant regclass := pulled_properties_table();
    mapping jsonb := (select legacy_migrations.mapping from legacy_migrations order by landed_at desc limit 1);
    select_list text;
    reader text;
begin
    if legacy = to_regclass('pulled_properties_legacy') then
        return false;
    end if;
    if mapping is null or to_regclass('properties_live') is null then
        raise exception 'pulled_properties was not migrated yet'
            using hint = 'Run `property-manager migrate-legacy` first.';
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
        'create index if not exists pulled_properties_legacy_key on pulled_properties_legacy (btrim(%I::text))',
        mapping ->> 'source_listing_id'
    );
    execute format(
        'create view pulled_properties with (security_barrier) as '
        'select %s from properties_live as live '
        'left join lateral ('
        'select * from pulled_properties_legacy as legacy '
        'where live.source = ''legacy'' and btrim(legacy.%I::text) = live.source_listing_id limit 1'
        ') as old on true '
        'where live.is_published and live.listing_status = ''active''',
        select_list,
        mapping ->> 'source_listing_id'
    );
    comment on view pulled_properties is
    'Active listings of the live table in the columns of the legacy table. One row per listing.';
    for reader in
        select distinct case grantee when 0 then 'public' else grantee::regrole::text end
        from pg_class cross join aclexplode(relacl)
        where pg_class.oid = legacy and privilege_type = 'SELECT' and grantee <> relowner
    loop
        execute format('grant select on pulled_properties to %s', reader);
    end loop;
    insert into admin_audit_log (action, target) values ('switch legacy', 'pulled_properties');
    return true;
end
$$;
