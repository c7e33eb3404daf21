with

violations as (

    select * from {{ ref('stg_rule_violations') }}
    where severity = 'error'

),

sessions as (

    select * from {{ ref('stg_sessions') }}
    where session_status in ('published', 'complete') and published_at is not null

),

-- What was seen and not read says nothing of the values that were rejected.
sightings as (

    select * from {{ ref('stg_listing_sightings') }}
    where is_read

),

live as (

    select * from {{ ref('properties_live') }}

),

rejections as (

    select
        violations.property_id,
        violations.session_id,
        array_agg(violations.rule_name order by violations.rule_name) as rule_names,
        jsonb_agg(
            jsonb_build_object(
                'rule_name', violations.rule_name,
                'rule_version', violations.rule_version,
                'field_name', violations.field_name,
                'rule_type', violations.rule_type,
                'found_value', violations.found_value,
                'reason', case
                    when
                        violations.rule_type = 'required'
                        and violations.found_value is not null
                        and sessions.verdict -> 'frozen_fields' ? violations.field_name
                        then 'the gate froze this field, its value is not trusted'
                end
            ) order by violations.rule_name
        ) as broken_rules
    from violations
    inner join sessions on violations.session_id = sessions.session_id
    group by violations.property_id, violations.session_id

),

rejected_listings as (

    select distinct property_id from rejections

),

-- Every published judgement of those listings; of the same observation the later judgement counts.
judgements as (

    select
        sightings.property_id,
        sightings.session_id,
        sessions.source,
        sessions.scope,
        rejections.rule_names,
        rejections.broken_rules,
        rejections.rule_names is not null as is_rejected,
        row_number() over (
            partition by sightings.property_id
            order by sightings.observed_at, sessions.published_at, sightings.session_id
        ) as judgement_number,
        sightings.observed_at
    from rejected_listings
    inner join sightings on rejected_listings.property_id = sightings.property_id
    inner join sessions on sightings.session_id = sessions.session_id
    left join rejections
        on
            sightings.property_id = rejections.property_id
            and sightings.session_id = rejections.session_id

),

released as (

    select
        property_id,
        max(judgement_number) filter (where not is_rejected) as last_good_number,
        max(judgement_number) as last_number
    from judgements
    group by property_id

),

held as (

    select
        judgements.property_id,
        min(judgements.observed_at) as held_since,
        count(*) as rejection_count
    from judgements
    inner join released on judgements.property_id = released.property_id
    where judgements.judgement_number > coalesce(released.last_good_number, 0)
    group by judgements.property_id

)

select
    held.property_id,
    last_rejection.session_id,

    last_rejection.source,
    last_rejection.scope,
    last_rejection.rule_names,
    last_rejection.broken_rules,

    held.rejection_count,

    live.property_id is not null as is_in_live_table,

    held.held_since,
    last_rejection.observed_at
from held
inner join released on held.property_id = released.property_id
inner join judgements as last_rejection
    on
        released.property_id = last_rejection.property_id
        and released.last_number = last_rejection.judgement_number
left join live on held.property_id = live.property_id
