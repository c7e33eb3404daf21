-- Detects that more listings than usual break rules in the latest session of a source. It warns and stops nothing: what
-- a portal can cause is no broken build.
-- A returned row is such a session and severity with its rate and the limit of violation_rate_limits.
-- depends_on: {{ ref('properties_history') }}
{{ config(severity='warn') }}

with

rates as (

    {{ violation_rates() | indent(4) }}

),

limits as (

    select * from {{ ref('violation_rate_limits') }}

),

latest as (

    select
        *,
        row_number() over (partition by source, severity order by observed_at desc, session_id desc) as recency
    from rates

)

select
    latest.session_id,
    latest.source,
    latest.severity,
    latest.violation_rate,
    limits.warn_rate
from latest
inner join limits on latest.severity = limits.severity
where latest.recency = 1 and latest.violation_rate > limits.warn_rate
