-- Refuses a malformed rule of any type when it is written, with a message and a hint, and counts versions.
create or replace function check_validation_rule() returns trigger
language plpgsql
set search_path from current
as $$
declare
    numeric_fields constant text [] := array[
        'price', 'area_m2', 'land_area_m2', 'rooms', 'bedrooms', 'bathrooms', 'floor', 'floor_count', 'year_built',
        'latitude', 'longitude'
    ];
    list_fields constant text [] := array['amenities', 'images'];
    flag_fields constant text [] := array[
        'has_parking', 'has_balcony', 'has_elevator', 'has_security', 'has_storage_room'
    ];
    text_fields constant text [] := array[
        'source_listing_id', 'url', 'title', 'description', 'property_type', 'offer_type', 'currency', 'price_period',
        'street_address', 'city', 'region', 'postal_code', 'country', 'ownership', 'building_material', 'condition',
        'agent_name', 'agent_phone', 'agent_email'
    ];
    examples constant jsonb := '{
        "required": {},
        "range": {"min": 50000, "max": 10000000},
        "length": {"min": 10, "max": 200},
        "pattern": {"pattern": "^[0-9]{5}$"},
        "enum": {"values": ["sale", "rent"]},
        "type": {"type": "number"},
        "compare": {"operator": "<=", "field": "floor_count"},
        "unique_in_session": {"with": ["city"]},
        "freshness": {"max_age_days": 365},
        "geo_bounds": {"min_latitude": 49, "max_latitude": 55, "min_longitude": 14, "max_longitude": 24.2},
        "change_limit": {"max_relative": 0.5}
    }';
    settings constant jsonb := '{
        "required": [],
        "range": ["min", "max"],
        "length": ["min", "max"],
        "pattern": ["pattern"],
        "enum": ["values"],
        "type": ["type"],
        "compare": ["operator", "field"],
        "unique_in_session": ["with"],
        "freshness": ["max_age_days", "max_age_hours"],
        "geo_bounds": ["min_latitude", "max_latitude", "min_longitude", "max_longitude"],
        "change_limit": ["max_relative", "max_absolute"]
    }';
    config constant jsonb := new.rule_config;
    kind text;
    other_field text;
    other_kind text;
    known_settings text [];
    setting text;
    amount numeric;
    problem text;
    advice text;
begin
    kind := case
        when new.field_name = any (numeric_fields) then 'number'
        when new.field_name = any (list_fields) then 'list'
        when new.field_name = any (flag_fields) then 'flag'
        when new.field_name = any (text_fields) then 'text'
        when new.field_name = 'listed_at' then 'time'
        when new.field_name ~ '^attributes\..+$' then 'attribute'
    end;
    known_settings := array(
        select names.name from jsonb_array_elements_text(settings -> new.rule_type) as names (name)
    );
    setting := case when jsonb_typeof(config) = 'object' then (
        select min(keys.key) from jsonb_object_keys(config) as keys (key) where keys.key <> all (known_settings)
    ) end;

    if length(new.rule_name) > 200 or new.rule_name ~ '[[:cntrl:]]' then
        raise exception 'a rule name has at most 200 characters and no line breaks'
            using errcode = 'check_violation', hint = 'A few words that a person understands are best.';
    elsif kind is null then
        problem := format('unknown field "%s"', new.field_name);
        advice := 'Use a field of properties_live, or attributes.<name>.';
    elsif new.severity not in ('error', 'warning', 'info') then
        problem := format('unknown severity "%s"', new.severity);
        advice := 'Use error, warning or info.';
    elsif not settings ? new.rule_type then
        problem := format('unknown rule type "%s"', new.rule_type);
        advice := format(
            'Known types: %s.', (select string_agg(types.key, ', ') from jsonb_object_keys(settings) as types (key))
        );
    elsif jsonb_typeof(config) is distinct from 'object' then
        problem := 'rule_config must be a JSON object';
    elsif setting is not null then
        problem := format('a %s rule has no setting "%s"', new.rule_type, setting);
        advice := coalesce('It may have: ' || nullif(array_to_string(known_settings, ', '), '') || '.', 'Use {}.');
    elsif new.rule_type in ('range', 'length', 'freshness', 'geo_bounds', 'change_limit') then
        foreach setting in array known_settings loop
            continue when not config ? setting;
            if jsonb_typeof(config -> setting) <> 'number' then
                problem := format('"%s" of a %s must be a number', setting, new.rule_type);
                exit;
            end if;
            amount := (config ->> setting)::numeric;
            if abs(amount) > 1e15 then
                problem := format('"%s" is too large', setting);
                advice := 'Numbers go up to 1e15. Leave a bound out where there is none.';
            elsif new.rule_type = 'length' and (amount < 0 or amount <> trunc(amount)) then
                problem := format('"%s" of a length must be a whole number from 0 on', setting);
            elsif new.rule_type = 'freshness' and amount <= 0 then
                problem := format('"%s" must be greater than 0', setting);
            elsif new.rule_type = 'change_limit' and amount < 0 then
                problem := format('"%s" cannot be negative', setting);
            elsif setting like '%latitude' and abs(amount) > 90 then
                problem := format('"%s" must lie between -90 and 90', setting);
            elsif setting like '%longitude' and abs(amount) > 180 then
                problem := format('"%s" must lie between -180 and 180', setting);
            end if;
            exit when problem is not null;
        end loop;
        if problem is not null then
            null;
        elsif new.rule_type = 'range' and kind not in ('number', 'list', 'attribute') then
            problem := format('"%s" is no number, so it has no range', new.field_name);
            advice := format('Numbers are: %s.', array_to_string(numeric_fields || list_fields, ', '));
        elsif new.rule_type = 'length' and kind not in ('text', 'attribute') then
            problem := format('"%s" is no text, so it has no length', new.field_name);
            advice := 'Use a range for numbers and for how many entries a list has.';
        elsif new.rule_type = 'freshness' and kind not in ('time', 'attribute') then
            problem := format('"%s" is no time, so it has no age', new.field_name);
            advice := 'Use listed_at, or an attribute that holds an ISO 8601 date.';
        elsif new.rule_type = 'geo_bounds' and new.field_name not in ('latitude', 'longitude') then
            problem := format('"%s" is no coordinate', new.field_name);
            advice := 'Use the field latitude; the rule looks at longitude too.';
        elsif new.rule_type = 'change_limit' and kind not in ('number', 'attribute') then
            problem := format('"%s" is no number, so its change has no limit', new.field_name);
            advice := format('Numbers are: %s.', array_to_string(numeric_fields, ', '));
        elsif config = '{}' then
            problem := case new.rule_type
                when 'range' then 'a range needs "min", "max" or both'
                else format('a %s rule needs one of "%s"', new.rule_type, array_to_string(known_settings, '", "'))
            end;
        elsif (config ->> 'min')::numeric > (config ->> 'max')::numeric then
            problem := 'min is greater than max';
        elsif (config ->> 'min_latitude')::numeric > (config ->> 'max_latitude')::numeric then
            problem := 'min_latitude is greater than max_latitude';
        elsif (config ->> 'min_longitude')::numeric > (config ->> 'max_longitude')::numeric then
            problem := 'min_longitude is greater than max_longitude';
            advice := 'For an area across the date line write one rule for each side of it.';
        end if;
    elsif new.rule_type = 'pattern' then
        if jsonb_typeof(config -> 'pattern') is distinct from 'string' then
            problem := 'a pattern rule needs "pattern", a regular expression';
        else
            problem := format('"%s" ', left(config ->> 'pattern', 100)) || pattern_problem(config ->> 'pattern');
            advice := 'Patterns are PostgreSQL regular expressions, such as ^[0-9]{5}$.';
        end if;
    elsif new.rule_type = 'enum' then
        if jsonb_typeof(config -> 'values') is distinct from 'array' or config -> 'values' = '[]' then
            problem := 'an enum rule needs "values", a list';
        elsif exists (
            select 1 from jsonb_array_elements(config -> 'values') as allowed (value)
            where jsonb_typeof(allowed.value) not in ('string', 'number', 'boolean')
        ) then
            problem := 'the "values" of an enum must be texts, numbers or booleans';
            advice := 'A missing value breaks no enum, so null need not stand in the list.';
        end if;
    elsif new.rule_type = 'type' then
        if not coalesce(
            config ->> 'type' = any (array['number', 'integer', 'boolean', 'date', 'url', 'email']), false
        ) then
            problem := 'a type rule needs "type"';
            advice := 'Known are: number, integer, boolean, date, url, email.';
        elsif kind = 'list' or config ->> 'type' <> all (
            case kind
                when 'number' then array['number', 'integer']
                when 'flag' then array['boolean']
                when 'time' then array['date']
                else array['number', 'integer', 'boolean', 'date', 'url', 'email']
            end
        ) then
            problem := format('"%s" is a %s, so it is never a %s', new.field_name, kind, config ->> 'type');
            advice := 'Texts and attributes may have any type, numbers number or integer, flags boolean, '
            || 'listed_at date.';
        end if;
    elsif new.rule_type = 'compare' then
        other_field := config ->> 'field';
        other_kind := case
            when other_field = any (numeric_fields) then 'number'
            when other_field = any (flag_fields) then 'flag'
            when other_field = any (text_fields) then 'text'
            when other_field = 'listed_at' then 'time'
            when other_field ~ '^attributes\..+$' then 'attribute'
        end;
        if not coalesce(config ->> 'operator' = any (array['<', '<=', '=', '>=', '>', '<>']), false) then
            problem := 'a compare rule needs "operator", one of <, <=, =, >=, > and <>';
        elsif other_kind is null then
            problem := case
                when other_field is null then 'a compare rule needs "field", the field to compare with'
                else format('"%s" cannot be compared with', other_field)
            end;
            advice := 'Use a field of properties_live that is no list, or attributes.<name>.';
        elsif other_field = new.field_name then
            problem := format('"%s" is compared with itself', other_field);
        elsif kind = 'list' then
            problem := format('"%s" is a list and cannot be compared', new.field_name);
        elsif 'attribute' not in (kind, other_kind) and kind <> other_kind then
            problem := format('"%s" and "%s" cannot be compared', new.field_name, other_field);
            advice := format('The first is a %s, the second a %s.', kind, other_kind);
        elsif
            config ->> 'operator' not in ('=', '<>')
            and not (kind in ('number', 'attribute') and other_kind in ('number', 'attribute'))
        then
            problem := format('"%s" has no order to compare by', new.field_name);
            advice := 'Texts, flags and times can be compared by = and <>.';
        end if;
    elsif new.rule_type = 'unique_in_session' then
        if kind = 'list' then
            problem := format('"%s" is a list and cannot be unique', new.field_name);
        elsif config ? 'with' and (
            jsonb_typeof(config -> 'with') <> 'array' or jsonb_path_exists(config, '$.with[*] ? (@.type() != "string")')
        ) then
            problem := '"with" must be a list of fields';
        elsif jsonb_array_length(coalesce(config -> 'with', '[]')) > 8 then
            problem := '"with" may name at most 8 fields';
        else
            select min(named.field_name) into other_field
            from jsonb_array_elements_text(coalesce(config -> 'with', '[]')) as named (field_name)
            where
                named.field_name <> all (numeric_fields || flag_fields || text_fields || array['listed_at'])
                and named.field_name !~ '^attributes\..+$';
            if other_field is not null then
                problem := format('"with" names the unknown field "%s"', other_field);
                advice := 'Use fields of properties_live that are no lists, or attributes.<name>.';
            end if;
        end if;
    end if;

    if problem is not null then
        raise exception 'rule "%": %', new.rule_name, problem
            using errcode = 'check_violation',
                hint = coalesce(advice, format('For example %s.', examples ->> new.rule_type));
    end if;
    if tg_op = 'UPDATE' then
        new.rule_version := old.rule_version + 1;
        new.updated_at := now();
    else
        -- A rule that was deleted and written again is another version of it: results tell them apart.
        new.rule_version := coalesce(
            (select max(evaluations.rule_version) from rule_evaluations as evaluations
            where evaluations.rule_name = new.rule_name), 0
        ) + 1;
    end if;
    return new;
end
$$;
