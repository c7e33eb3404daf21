-- Detects a listing on its way to the live table although it breaks a rule of severity error.
-- A returned row is such a listing with the rule it breaks.
{{ config(tags=['guard']) }}

with

candidates as (

    select * from {{ ref('int_listings_changed') }}

),

errors as (

    select * from {{ ref('int_rule_violations') }}
    where severity = 'error'
    union all
    select * from {{ ref('int_frozen_violations') }}
    where severity = 'error'

)

select
    candidates.property_id,
    errors.rule_name,
    errors.found_value
from candidates
inner join errors
    on
        candidates.property_id = errors.property_id
        and candidates.session_id = errors.session_id
