-- Says why a regular expression cannot be a rule: NULL for one that is valid and fast on any text.
create function pattern_problem(pattern text) returns text
language plpgsql
set search_path from current
as $$
declare
    alphabets constant text [] := array['a', 'ab1 ', '0123456789', 'Flat 12, Main Street. '];
    slow constant interval := '200 milliseconds';
    started timestamptz;
    sample text;
begin
    if length(pattern) > 1000 then
        return 'is longer than 1000 characters';
    end if;
    -- Without them PostgreSQL matches in time that grows with the text; with them it may never end.
    if pattern ~ '(^|[^\\])(\\\\)*\\[1-9]' then
        return 'refers back to a group, which can take for ever';
    end if;
    for attempt in 1..2 loop
        started := clock_timestamp();
        -- From short to long, so that a pattern whose time explodes is noticed before it explodes.
        for doublings in 2..12 loop
            exit when clock_timestamp() - started > slow;
            foreach sample in array alphabets loop
                perform left(repeat(sample, (2 ^ doublings)::integer), (2 ^ doublings)::integer) ~ pattern;
            end loop;
        end loop;
        if clock_timestamp() - started < slow then
            return null;
        end if;
    end loop;
    return 'takes more than 200 ms on texts of up to 4096 characters';
exception when invalid_regular_expression or program_limit_exceeded then
    return format('is not a valid regular expression (%s)', regexp_replace(sqlerrm, '^invalid regular expression: ', ''));
end
$$;
