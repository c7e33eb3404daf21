with

sessions as (

    select * from {{ ref('int_sessions_to_sync') }}

),

measures as (

    select * from {{ ref('int_session_measures') }}

),

all_sessions as (

    select * from {{ ref('stg_sessions') }}

),

limits as (

    select * from {{ ref('violation_rate_limits') }}

),

-- Published sessions of the same scope before each session. What an operator forced is how the source is from then on.
past as (

    select
        sessions.session_id,
        all_sessions.session_id as past_session_id,
        all_sessions.may_remove,
        all_sessions.session_kind = sessions.session_kind as is_same_kind,
        all_sessions.verdict,
        count(*) filter (where all_sessions.is_forced) over (
            partition by sessions.session_id
            order by all_sessions.observed_at desc, all_sessions.session_id desc
            rows between unbounded preceding and 1 preceding
        ) > 0 as is_outdated,
        row_number() over (
            partition by sessions.session_id, all_sessions.may_remove
            order by all_sessions.observed_at desc, all_sessions.session_id desc
        ) as recency_by_permission,
        row_number() over (
            partition by sessions.session_id, all_sessions.session_kind
            order by all_sessions.observed_at desc, all_sessions.session_id desc
        ) as recency_by_kind,
        row_number() over (
            partition by sessions.session_id
            order by all_sessions.observed_at, all_sessions.session_id
        ) as ordinal
    from sessions
    inner join all_sessions
        on
            sessions.source = all_sessions.source
            and sessions.scope = all_sessions.scope
            and sessions.observed_at > all_sessions.observed_at
    where
        all_sessions.session_status in ('published', 'complete')
        and all_sessions.session_kind <> 'retirement'

),

usual_volumes as (

    select
        session_id,
        percentile_cont(0.5) within group (order by (verdict ->> 'observed_count')::bigint) as observed_count
    from past
    where may_remove and recency_by_permission <= 5 and not is_outdated
    group by session_id

),

-- Every id of the first session is new; that says nothing about the next ones.
usual_turnovers as (

    select
        session_id,
        percentile_cont(0.5) within group (order by (verdict ->> 'new_share')::double precision) as new_share
    from past
    where is_same_kind and recency_by_kind <= 10 and not is_outdated and ordinal > 1
    group by session_id

),

-- A frozen field stands for what was usual when it froze, so that a selector which stays broken never becomes usual.
past_fill_rates as (

    select
        past.session_id,
        past_check.field_name,
        case when past_check.consequence = 'freeze_field' then past_check.usual_value else past_check.value end
            as fill_rate
    from past
    cross join
        lateral jsonb_to_recordset(past.verdict -> 'checks') as past_check (
            check_name text, field_name text, value double precision, usual_value double precision, consequence text
        )
    where
        past.is_same_kind
        and past.recency_by_kind <= 10
        and not past.is_outdated
        and past_check.check_name = 'fill_rate'
        -- A share of a few adverts is chance, and no measure either.
        and coalesce(
            (past.verdict #>> array['carried_counts', past_check.field_name])::bigint, {{ enough_listings() }}
        ) >= {{ enough_listings() }}

),

usual_fill_rates as (

    select
        session_id,
        field_name,
        round((percentile_cont(0.5) within group (order by fill_rate))::numeric, 4) as fill_rate,
        count(*) as session_count
    from past_fill_rates
    group by session_id, field_name

),

measured as (

    select
        sessions.*,
        measures.observed_count,
        measures.fill_rates,
        measures.carried_counts,
        measures.completeness,
        measures.duplicate_rate,
        measures.error_rate,
        limits.fail_rate as error_fail_rate,
        measures.new_share,
        measures.absent_share,
        coalesce(measures.active_count, 0) as active_count,
        usual_volumes.observed_count as usual_volume,
        usual_turnovers.new_share as usual_turnover,
        greatest(sessions.max_id_turnover, 2 * usual_turnovers.new_share) as turnover_limit,
        sessions.pages_done::double precision / nullif(sessions.pages_planned, 0) as page_coverage,
        measures.observed_count::double precision / nullif(sessions.site_listing_count, 0) as listing_coverage,
        measures.observed_count / nullif(usual_volumes.observed_count, 0) as volume_ratio,
        extract(epoch from sessions.sync_started_at - sessions.observed_at)::double precision / 3600 as age_hours,
        sessions.is_complete and sessions.session_kind <> 'retirement' as claims_coverage
    from sessions
    inner join measures on sessions.session_id = measures.session_id
    left join usual_volumes on sessions.session_id = usual_volumes.session_id
    left join usual_turnovers on sessions.session_id = usual_turnovers.session_id
    left join limits on limits.severity = 'error'

),

session_checks as (

    select
        measured.session_id,
        measured.sync_id,
        session_check.*,
        null::text as field_name,
        measured.is_forced
    from measured
    cross join
        lateral (
            values
            (
                1, 'listings_observed',
                observed_count::double precision, null::double precision, 1::double precision,
                case when session_kind <> 'retirement' then observed_count = 0 end,
                'fail', 'quarantine', false,
                case
                    when session_kind = 'retirement' then 'the scope is retired'
                    when observed_count = 0 then 'no listing was observed'
                    else format('%s listings were observed', observed_count)
                end
            ),
            (
                2, 'pages_blocked',
                case when pages_planned > 0 then pages_blocked end, null, 0,
                case when pages_planned > 0 then pages_blocked > 0 end,
                case when observed_count = 0 then 'fail' else 'warn' end,
                case when observed_count = 0 then 'quarantine' else 'none' end, true,
                format('%s of %s pages were refused by the portal', pages_blocked, pages_planned)
            ),
            (
                3, 'error_rate',
                error_rate, null, max_error_rate,
                -- Rows that are judged again were picked because they broke a rule.
                case
                    when session_kind <> 'replay' and observed_count + rows_rejected >= {{ enough_listings() }}
                        then error_rate > max_error_rate
                end,
                'fail', case when error_rate >= error_fail_rate then 'quarantine' else 'remove_nothing' end, true,
                format(
                    '%s of %s listings break error rules or could not be landed, the limit is %s',
                    {{ percent('error_rate') }}, observed_count + rows_rejected, {{ percent('max_error_rate') }}
                )
            ),
            (
                4, 'id_scheme',
                new_share, usual_turnover, turnover_limit,
                case
                    when max_id_turnover is null or new_share is null then null
                    when new_share <= turnover_limit then false
                    when observed_count < {{ enough_listings() }} or active_count < {{ enough_listings() }} then null
                    when not is_complete and usual_turnover is null then null
                    else absent_share > max_id_turnover
                end,
                'fail', 'quarantine', true,
                case
                    when absent_share > max_id_turnover and new_share > turnover_limit
                        then
                            format(
                                '%s of %s ids were never published before and %s of %s active listings were not seen: '
                                'the portal has probably changed its ids',
                                {{ percent('new_share') }}, observed_count,
                                {{ percent('absent_share') }}, active_count
                            )
                    else format('%s of %s ids were never published before', {{ percent('new_share') }}, observed_count)
                end
            ),
            (
                5, 'scope_enumerated',
                is_complete::integer, null, 1,
                not is_complete,
                'warn', 'remove_nothing', false,
                case
                    when is_complete then 'the loader read the whole scope'
                    else coalesce(incomplete_reason, 'the session is partial')
                end
            ),
            -- A listing may stand in a row that could not be read: it is not absent.
            (
                6, 'rows_landed',
                rows_rejected, null, 0,
                rows_rejected > 0,
                'fail', 'remove_nothing', true,
                format('%s of %s rows could not be landed', rows_rejected, rows_landed + rows_rejected)
            ),
            (
                7, 'page_coverage',
                page_coverage, null, min_coverage,
                case when claims_coverage then page_coverage < min_coverage end,
                'fail', 'remove_nothing', true,
                format('%s of %s pages were read', pages_done, pages_planned)
            ),
            (
                8, 'listing_coverage',
                listing_coverage, null, min_coverage,
                case when claims_coverage then listing_coverage < min_coverage end,
                'fail', 'remove_nothing', true,
                format('%s of the %s listings the site counts were seen', observed_count, site_listing_count)
            ),
            (
                9, 'volume',
                volume_ratio, usual_volume, min_volume_ratio,
                case when claims_coverage then volume_ratio < min_volume_ratio end,
                'fail', 'remove_nothing', true,
                format(
                    '%s listings were seen, the median of recent sessions is %s', observed_count, usual_volume
                )
            ),
            -- Repeated rows mean that pages moved during the crawl, unless the site's count shows that all were met.
            (
                10, 'duplicate_rate',
                duplicate_rate, null, max_duplicate_rate,
                case when rows_landed >= {{ enough_listings() }} then duplicate_rate > max_duplicate_rate end,
                case when listing_coverage >= coalesce(min_coverage, 1) then 'warn' else 'fail' end,
                case when listing_coverage >= coalesce(min_coverage, 1) then 'none' else 'remove_nothing' end, true,
                format(
                    '%s of %s rows repeat a listing, the limit is %s',
                    {{ percent('duplicate_rate') }}, rows_landed, {{ percent('max_duplicate_rate') }}
                )
            ),
            (
                11, 'completeness',
                completeness, null, min_completeness,
                completeness < min_completeness,
                'fail', 'none', true,
                format(
                    'core fields are filled in %s of %s adverts, %s is expected',
                    {{ percent('completeness') }}, observed_count, {{ percent('min_completeness') }}
                )
            ),
            (
                12, 'freshness',
                age_hours, null, freshness_hours,
                age_hours > freshness_hours,
                'fail', 'none', true,
                format(
                    'observed %s hours before the sync, the limit is %s hours',
                    trim_scale(round(age_hours::numeric, 1)), freshness_hours
                )
            )
        ) as session_check (
            check_no, check_name, value, usual_value, threshold, is_broken, broken_verdict, consequence,
            is_overridable, message
        )

),

fill_rates as (

    select
        measured.session_id,
        measured.sync_id,
        measured.is_forced,
        measured.max_fill_rate_drop,
        field.name as field_name,
        field.fill_rate::numeric as fill_rate,
        (measured.carried_counts ->> field.name)::bigint as carried_count,
        usual_fill_rates.fill_rate as usual_fill_rate,
        usual_fill_rates.session_count,
        usual_fill_rates.fill_rate - field.fill_rate::numeric as fill_rate_drop
    from measured
    cross join lateral jsonb_each_text(measured.fill_rates) as field (name, fill_rate)
    left join usual_fill_rates
        on
            measured.session_id = usual_fill_rates.session_id
            and field.name = usual_fill_rates.field_name

),

field_checks as (

    select
        session_id,
        sync_id,
        13 as check_no,
        'fill_rate' as check_name,
        fill_rate::double precision as value,
        usual_fill_rate::double precision as usual_value,
        (usual_fill_rate - max_fill_rate_drop::numeric)::double precision as threshold,
        case
            when carried_count >= {{ enough_listings() }} and max_fill_rate_drop is not null
                then fill_rate_drop > max_fill_rate_drop::numeric and fill_rate_drop * carried_count >= 5
        end as is_broken,
        'fail' as broken_verdict,
        'freeze_field' as consequence,
        true as is_overridable,
        format('%s filled in %s of %s adverts', field_name, {{ percent('fill_rate') }}, carried_count)
        || case
            when session_count = 1 then format(', %s in the last session', {{ percent('usual_fill_rate') }})
            when session_count > 1
                then format(', %s in the last %s sessions', {{ percent('usual_fill_rate') }}, session_count)
            else ''
        end as message,
        field_name,
        is_forced
    from fill_rates

),

unioned as (

    select * from session_checks
    union all
    select * from field_checks

),

judged as (

    select
        *,
        coalesce(is_broken and is_forced and is_overridable and consequence <> 'none', false) as is_overridden,
        coalesce(is_broken, false) as has_consequence
    from unioned

)

select
    session_id,
    check_name,
    field_name,
    sync_id,

    case
        when is_broken then broken_verdict
        when is_broken is null then 'skip'
        else 'pass'
    end as verdict,
    case when has_consequence and not is_overridden then consequence else 'none' end as consequence,
    case
        when value is null then 'not known for this session'
        when is_broken is null and threshold is null and field_name is null then 'no limit is set'
        when is_overridden then message || ' (overridden by --force)'
        else message
    end as message,

    check_no,
    value,
    usual_value,
    threshold
from judged
