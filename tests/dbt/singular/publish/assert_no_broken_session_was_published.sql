-- Detects a session that was published though so many of its listings break rules that the gate should have quarantined
-- it. Sessions that an operator forced, and those whose source allowed as many errors then, are not asked.
-- A returned row is such a session and severity with its rate and both limits.
-- depends_on: {{ ref('properties_history') }}

with

rates as (

    {{ violation_rates() | indent(4) }}

),

limits as (

    select * from {{ ref('violation_rate_limits') }}

)

select
    rates.session_id,
    rates.source,
    rates.severity,
    rates.violation_rate,
    rates.max_error_rate,
    limits.fail_rate
from rates
inner join limits on rates.severity = limits.severity
where
    not rates.is_forced
    and rates.violation_rate > rates.max_error_rate
    and rates.violation_rate >= limits.fail_rate
