with

sessions as not materialized (

    select * from {{ ref('session_quality') }}
    where session_kind is distinct from 'retirement'

),

fields as (

    select * from {{ ref('session_field_quality') }}

),

pages as (

    select
        session_id,
        pages_unchanged,
        pages_failed,
        pages_blocked
    from {{ ref('stg_sessions') }}

),

sources as (

    select * from {{ ref('stg_sources') }}

),

field_findings as (

    select
        fields.session_id,
        fields.field_name,
        fields.weight,
        fields.listing_count,
        fields.fill_rate,
        fields.usual_fill_rate,
        fields.unreadable_count,
        fields.is_frozen,
        case
            when
                fields.fill_rate is null
                and fields.usual_fill_rate >= 0.2
                -- A sighting says nothing of an advert's fields, and of a few adverts read none may have the field.
                and (
                    pages.pages_unchanged = 0
                    or fields.usual_fill_rate
                    * (sessions.observed_count - pages.pages_unchanged - pages.pages_failed - pages.pages_blocked)
                    >= 3
                )
                then 'lost'
            when
                fields.fill_rate < fields.usual_fill_rate
                and fields.usual_fill_rate - fields.fill_rate >= least(0.25, fields.usual_fill_rate / 2)
                -- Of a few adverts none may have what is rare.
                and fields.usual_fill_rate * fields.listing_count >= 3
                then 'dropped'
            when fields.unreadable_count >= greatest(0.01 * fields.listing_count, 1) then 'unreadable'
            when fields.weight >= 3 and fields.fill_rate < 0.5 then 'sparse'
        end as finding,
        format('%s filled in %s', fields.field_name, {{ percent('fields.fill_rate') }})
        || format(' of %s adverts', fields.listing_count) as filled_part,
        case
            when fields.usual_session_count = 1
                then format('%s in the last good session', {{ percent('fields.usual_fill_rate') }})
            else
                format(
                    '%s in the last %s good sessions',
                    {{ percent('fields.usual_fill_rate') }}, fields.usual_session_count
                )
        end as usual_part
    from fields
    inner join sessions on fields.session_id = sessions.session_id
    inner join pages on fields.session_id = pages.session_id
    where sessions.observed_count > 0

),

field_advice as (

    select
        session_id,
        case finding when 'unreadable' then 'reading' else 'completeness' end as topic,
        field_name,
        null::text as rule_name,
        case
            when finding in ('lost', 'dropped') and weight >= 2 and coalesce(fill_rate, 0) < usual_fill_rate / 2
                then 'critical'
            when finding = 'sparse' then 'info'
            else 'warning'
        end as urgency,
        weight as importance,
        case finding when 'unreadable' then unreadable_count else fill_rate end as found_value,
        case when finding <> 'unreadable' then usual_fill_rate end as usual_value,
        case finding
            when 'lost'
                then
                    format('%s is not among the fields of this session, %s: ', field_name, usual_part)
                    || 'the column was probably renamed, or the mapping lost it'
            when 'dropped'
                then
                    format('%s, %s: ', filled_part, usual_part)
                    || case
                        when unreadable_count >= 0.5 * (usual_fill_rate - fill_rate) * listing_count
                            then
                                format(
                                    '%s texts could not be read, the format of the numbers has probably changed',
                                    unreadable_count
                                )
                        when fill_rate <= usual_fill_rate / 5 then 'the selector is probably broken'
                        else 'a part of the pages probably has another layout'
                    end
            when 'unreadable'
                then
                    format('%s could not be read in %s of %s adverts: ', field_name, unreadable_count, listing_count)
                    || 'compare the texts with the settings number_format, area_unit and currency'
            when 'sparse'
                then
                    filled_part
                    || case when usual_fill_rate < 0.5 then format(', %s', usual_part) else '' end
                    || ': select or map it, if the portal shows it'
        end
        || case when is_frozen then '; its published values are kept as they were' else '' end as message
    from field_findings
    where finding is not null

),

rule_advice as (

    select
        sessions.session_id,
        'validation' as topic,
        broken.field_name,
        broken.rule_name,
        case broken.severity when 'error' then 'critical' else 'warning' end as urgency,
        broken.listings::double precision as importance,
        broken.listings::double precision / nullif(sessions.observed_count, 0) as found_value,
        null::double precision as usual_value,
        format('%s breaks the rule %s (%s)', broken.field_name, broken.rule_name, broken.severity)
        || format(
            ' in %s of %s adverts, %s: ',
            broken.listings, sessions.observed_count,
            {{ percent('broken.listings::double precision / nullif(sessions.observed_count, 0)') }}
        )
        || case
            when broken.listings > 0.5 * sessions.observed_count
                then 'the rule is probably too strict, or the field is read wrongly'
            when broken.severity = 'error' then 'they are held back until the portal or the rule is corrected'
            else 'they are published with a flag; look at a few of them'
        end as message
    from sessions
    cross join
        lateral jsonb_to_recordset(sessions.violations_by_rule) as broken (
            rule_name text, field_name text, severity text, listings bigint
        )
    where
        broken.severity = 'error' and broken.listings >= greatest(0.01 * sessions.observed_count, 1)
        or broken.severity = 'warning' and broken.listings >= greatest(0.05 * sessions.observed_count, 1)

),

session_advice as (

    select
        sessions.session_id,
        advice.topic,
        null::text as field_name,
        null::text as rule_name,
        advice.urgency,
        0::double precision as importance,
        advice.found_value,
        advice.usual_value,
        advice.message
    from sessions
    left join sources on sessions.source = sources.source
    cross join
        lateral (
            values
            (
                'coverage', 'critical', 0::double precision, sessions.usual_observed_count,
                case
                    when sessions.observed_count = 0
                        then
                            case
                                when sessions.usual_observed_count > 0
                                    then
                                        format('no listing was observed, %s are usual: ', sessions.usual_observed_count)
                                else 'no listing was observed: '
                            end
                            || 'the page was probably blocked or rebuilt, or the file is empty'
                end
            ),
            (
                'coverage', 'critical', null, null,
                case
                    when sessions.observed_count > 0 and sessions.quarantine_reason is not null
                        then
                            format('nothing of it was published, %s: ', sessions.quarantine_reason)
                            || 'mend the cause and scrape again, or let it pass with sync --force'
                end
            ),
            (
                'coverage', 'warning', sessions.observed_count, sessions.usual_observed_count,
                case
                    when
                        sessions.quarantine_reason is null
                        and sessions.is_complete
                        and sessions.removal_suppressed_reason is not null
                        then
                            format('nothing was removed by absence, %s: ', sessions.removal_suppressed_reason)
                            || 'complete the session, or lower the limit if this is how the portal is now'
                    when
                        sessions.quarantine_reason is null
                        and sessions.is_complete
                        and sessions.observed_count < 0.8 * sessions.usual_observed_count
                        then
                            format('%s listings were seen, ', sessions.observed_count)
                            || format('%s are usual: ', sessions.usual_observed_count)
                            || 'the search was probably narrowed, or result pages are missing'
                end
            ),
            (
                'landing', 'warning', sessions.rows_rejected, null,
                case
                    when sessions.rows_rejected > 0
                        then
                            format('%s of ', sessions.rows_rejected)
                            || format('%s rows could not be landed: ', sessions.rows_landed + sessions.rows_rejected)
                            || 'session-details lists the reasons'
                end
            ),
            (
                'duplicates', 'warning', sessions.duplicate_rate, sessions.usual_duplicate_rate,
                case
                    when sessions.duplicate_rate > sources.duplicate_rate
                        then
                            {{ percent('sessions.duplicate_rate') }}
                            || format(' of %s rows repeat a listing', sessions.rows_landed)
                            || coalesce(format(', %s usually', {{ percent('sessions.usual_duplicate_rate') }}), '')
                            || ': result pages probably overlap, or moved while they were read'
                end
            ),
            (
                'freshness', 'info', sessions.age_hours, sessions.freshness_limit_hours,
                case
                    when sessions.age_hours > sessions.freshness_limit_hours
                        then
                            format('observed %s hours before publication, ', round(sessions.age_hours::numeric))
                            || format('%s are fine: ', sessions.freshness_limit_hours)
                            || 'sync sooner, unless this is a backfill'
                end
            ),
            (
                'geography', 'warning', sessions.outlier_count, null,
                case
                    when sessions.outlier_count > 0
                        then
                            format('%s of %s located adverts lie ', sessions.outlier_count, sessions.located_count)
                            || format('more than %s km from the rest, such as ', sessions.outlier_limit_km)
                            || format(
                                '%s at %s, %s: ',
                                sessions.geography #>> '{outliers,0,source_listing_id}',
                                sessions.geography #>> '{outliers,0,latitude}',
                                sessions.geography #>> '{outliers,0,longitude}'
                            )
                            || case sessions.geography #>> '{outliers,0,likely_cause}'
                                when 'zero' then 'coordinates of zero stand for unknown'
                                when 'swapped' then 'latitude and longitude are probably swapped'
                                when 'sign' then 'a minus sign was probably lost or added'
                                else 'the place was probably guessed from an ambiguous address'
                            end
                end
            ),
            (
                'geography', 'warning', sessions.effective_cells, sessions.usual_effective_cells,
                case
                    when
                        sessions.usual_effective_cells >= 2
                        and sessions.effective_cells < sessions.usual_effective_cells / 2
                        then
                            format('adverts spread over %s areas, ', round(sessions.effective_cells::numeric, 1))
                            || format('%s usually: ', round(sessions.usual_effective_cells::numeric, 1))
                            || 'the search was probably narrowed, or many share the coordinates of a town'
                end
            )
        ) as advice (topic, urgency, found_value, usual_value, message)
    where advice.message is not null

),

advice as (

    select * from field_advice
    union all
    select * from rule_advice
    union all
    select * from session_advice

)

select
    session_id,
    row_number() over (
        partition by session_id
        order by
            array_position(array['critical', 'warning', 'info'], urgency) asc,
            array_position(array['coverage', 'completeness', 'reading', 'validation'], topic) asc,
            importance desc,
            topic asc,
            field_name asc,
            rule_name asc,
            message asc
    ) as recommendation_no,

    urgency,
    topic,
    field_name,
    rule_name,
    message,

    found_value,
    usual_value
from advice
