-- A row of the legacy table as jsonb. What json can hold and jsonb cannot stays readable: \u0000 and half a surrogate
-- pair as the text of their escapes, a row with a number too large for numeric with all its values as text.
create function pulled_properties_record(row_text text) returns jsonb
language plpgsql
immutable
set search_path from current
as $$
declare
    -- Control characters never stand in json, so that this one can stand for an escaped backslash.
    backslash constant text := chr(1);
    readable text;
begin
    if row_text !~* '\\u(0000|d[89a-f])|e\+?\d{5}' then
        return row_text::jsonb;
    end if;
    readable := replace(row_text, '\\', backslash);
    readable := regexp_replace(
        readable, '\\(u0000|ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2}))', backslash || '\1', 'gi'
    );
    readable := regexp_replace(
        readable, '(?<!\\ud[89ab][0-9a-f]{2})\\(ud[c-f][0-9a-f]{2})', backslash || '\1', 'gi'
    );
    readable := replace(readable, backslash, '\\');
    begin
        return readable::jsonb;
    exception when numeric_value_out_of_range then
        return (select jsonb_object_agg(key, value #>> '{}') from json_each(readable::json));
    end;
end
$$;
