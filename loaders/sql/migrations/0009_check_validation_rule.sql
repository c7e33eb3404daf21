-- Refuses a malformed rule when it is written, with a message that says what is wrong, and counts versions.
create function check_validation_rule() returns trigger
language plpgsql
set search_path from current
as $$
declare
    known_fields text [] := array[
        'source_listing_id', 'url', 'title', 'description', 'property_type', 'offer_type', 'price', 'currency',
        'price_period', 'area_m2', 'land_area_m2', 'rooms', 'bedrooms', 'bathrooms', 'floor', 'floor_count',
        'year_built', 'street_address', 'city', 'region', 'postal_code', 'country', 'latitude', 'longitude',
        'ownership', 'building_material', 'condition', 'has_parking', 'has_balcony', 'has_elevator', 'has_security',
        'has_storage_room', 'amenities', 'images', 'agent_name', 'agent_phone', 'agent_email', 'listed_at'
    ];
    numeric_fields text [] := array[
        'price', 'area_m2', 'land_area_m2', 'rooms', 'bedrooms', 'bathrooms', 'floor', 'floor_count', 'year_built',
        'latitude', 'longitude', 'amenities', 'images'
    ];
    known_keys text [] := case new.rule_type
        when 'range' then array['min', 'max'] when 'pattern' then array['pattern'] when 'enum' then array['values']
        else array[]::text []
    end;
    unknown_key text;
    bound text;
begin
    if new.field_name <> all (known_fields) and new.field_name !~ '^attributes\..+$' then
        raise exception 'rule "%": unknown field "%"', new.rule_name, new.field_name
            using errcode = 'check_violation',
                hint = 'Use a field of properties_live, or attributes.<name>.';
    end if;
    if new.rule_type not in ('required', 'range', 'pattern', 'enum') then
        raise exception 'rule "%": unknown rule type "%"', new.rule_name, new.rule_type
            using errcode = 'check_violation', hint = 'Known types: required, range, pattern, enum.';
    end if;
    if jsonb_typeof(new.rule_config) <> 'object' then
        raise exception 'rule "%": rule_config must be a JSON object', new.rule_name
            using errcode = 'check_violation', hint = 'For example {"min": 1, "max": 100}.';
    end if;
    select key into unknown_key from jsonb_object_keys(new.rule_config) as keys (key)
    where key <> all (known_keys) order by key limit 1;
    if unknown_key is not null then
        raise exception 'rule "%": a % rule has no setting "%"', new.rule_name, new.rule_type, unknown_key
            using errcode = 'check_violation',
                hint = coalesce('It may have: ' || nullif(array_to_string(known_keys, ', '), '') || '.', 'Use {}.');
    end if;
    if new.rule_type = 'range' then
        if new.field_name <> all (numeric_fields) and new.field_name not like 'attributes.%' then
            raise exception 'rule "%": "%" is no number, so it has no range', new.rule_name, new.field_name
                using errcode = 'check_violation', hint = 'Numbers are: ' || array_to_string(numeric_fields, ', ') || '.';
        end if;
        foreach bound in array array['min', 'max'] loop
            if new.rule_config ? bound and jsonb_typeof(new.rule_config -> bound) <> 'number' then
                raise exception 'rule "%": "%" of a range must be a number', new.rule_name, bound
                    using errcode = 'check_violation';
            end if;
        end loop;
        if not new.rule_config ?| array['min', 'max'] then
            raise exception 'rule "%": a range needs "min", "max" or both', new.rule_name
                using errcode = 'check_violation', hint = 'For example {"min": 50000, "max": 10000000}.';
        end if;
        if (new.rule_config ->> 'min')::numeric > (new.rule_config ->> 'max')::numeric then
            raise exception 'rule "%": min is greater than max', new.rule_name using errcode = 'check_violation';
        end if;
    elsif new.rule_type = 'pattern' then
        if jsonb_typeof(new.rule_config -> 'pattern') is distinct from 'string' then
            raise exception 'rule "%": a pattern rule needs "pattern", a regular expression', new.rule_name
                using errcode = 'check_violation', hint = 'For example {"pattern": "^[0-9]{5}$"}.';
        end if;
        begin
            perform '' ~ (new.rule_config ->> 'pattern');
        exception when invalid_regular_expression then
            raise exception 'rule "%": "%" is not a valid regular expression', new.rule_name, new.rule_config ->> 'pattern'
                using errcode = 'check_violation';
        end;
    elsif new.rule_type = 'enum' then
        if jsonb_typeof(new.rule_config -> 'values') is distinct from 'array'
            or jsonb_array_length(new.rule_config -> 'values') = 0 then
            raise exception 'rule "%": an enum rule needs "values", a list', new.rule_name
                using errcode = 'check_violation', hint = 'For example {"values": ["sale", "rent"]}.';
        end if;
    end if;
    if tg_op = 'UPDATE' then
        new.rule_version := old.rule_version + 1;
        new.updated_at := now();
    end if;
    return new;
end
$$;

create trigger check_validation_rule
before insert or update on validation_rules
for each row execute function check_validation_rule();
