-- When a session that nobody dated is observed: now, and later than what its source holds, since a clock that was set
-- back must not make it late. What a user dated counts up to a day after its landing, as far as clocks may differ.
create function next_observed_at(of_source text) returns timestamptz
language sql
volatile
set search_path from current
as $$
    select greatest(
        clock_timestamp(),
        (
            select
                max(
                    case
                        when is_dated then greatest(opened_at, least(observed_at, opened_at + interval '1 day'))
                        else greatest(opened_at, observed_at)
                    end
                ) + interval '1 microsecond'
            from scrape_sessions
            where source = of_source
        )
    )
$$;
