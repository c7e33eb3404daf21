{%- set usual_measures =
    ['observed_count', 'duplicate_rate', 'error_rate', 'overall_score'] + (score_weights() | list) %}

with

-- Read for each session and again for its predecessors, of which few are needed.
sessions as not materialized (

    select * from {{ ref('stg_sessions') }}

),

counts as (

    select * from {{ ref('stg_sync_sessions') }}

),

syncs as (

    select * from {{ ref('stg_syncs') }}
    where sync_status in ('published', 'complete')

),

measured as not materialized (

    select
        sessions.session_id,
        sessions.source,
        sessions.scope,
        sessions.session_kind,
        sessions.session_status,
        sessions.incomplete_reason,
        verdict.*,
        verdict.geography -> 'cities' as cities,
        (verdict.geography ->> 'city_diversity')::double precision as city_diversity,
        (verdict.geography ->> 'effective_cities')::double precision as effective_cities,
        (verdict.geography ->> 'cell_diversity')::double precision as cell_diversity,
        (verdict.geography ->> 'effective_cells')::double precision as effective_cells,
        (verdict.geography ->> 'usual_effective_cells')::double precision as usual_effective_cells,
        (verdict.geography ->> 'located_count')::bigint as located_count,
        (verdict.geography ->> 'outlier_count')::bigint as outlier_count,
        (verdict.geography ->> 'outlier_limit_km')::double precision as outlier_limit_km,
        extract(epoch from sessions.published_at - sessions.observed_at)::double precision / 3600 as age_hours,
        sessions.rows_landed,
        sessions.rows_rejected,
        sessions.duplicates_collapsed,
        sessions.is_complete,
        sessions.may_publish,
        sessions.may_remove,
        sessions.observed_at,
        sessions.published_at
    from sessions
    -- One look into the JSON a session: every arrow would unpack the whole of it.
    cross join
        lateral jsonb_to_record(sessions.verdict) as verdict (
            quarantine_reason text,
            fill_rates jsonb,
            unreadable_counts jsonb,
            violations_by_rule jsonb,
            checks jsonb,
            frozen_fields jsonb,
            geography jsonb,
            observed_count bigint,
            page_coverage double precision,
            listing_coverage double precision,
            volume_ratio double precision,
            completeness double precision,
            weighted_completeness double precision,
            duplicate_rate double precision,
            error_rate double precision,
            freshness_limit_hours double precision,
            error_violations bigint,
            warning_violations bigint,
            info_violations bigint,
            rejected_count bigint,
            warned_count bigint,
            noted_count bigint
        )

),

scored as not materialized (

    select
        *,
        weighted_completeness as completeness_score,
        1
        - (
            {{ severity_weights()['error'] }} * (rejected_count + rows_rejected)
            + {{ severity_weights()['warning'] }} * warned_count
            + {{ severity_weights()['info'] }} * noted_count
        ) / nullif(observed_count + rows_rejected, 0)::double precision as validation_score,
        1 - duplicate_rate as uniqueness_score,
        case
            when observed_count = 0 then null
            when age_hours <= freshness_limit_hours then 1
            else freshness_limit_hours / age_hours
        end as freshness_score,
        (1 - outlier_count / nullif(located_count, 0)::double precision)
        * least(coalesce(effective_cells / nullif(usual_effective_cells, 0), 1), 1) as geography_score
    from measured

),

weighed as not materialized (

    select
        *,
        {%- for score, weight in score_weights().items() %}
        {{ '+ ' if not loop.first }}coalesce({{ weight }} * {{ score }}, 0)
        {%- endfor %} as score_sum,
        {%- for score, weight in score_weights().items() %}
        {{ '+ ' if not loop.first }}case when {{ score }} is null then 0 else {{ weight }} end
        {%- endfor %} as weight_sum
    from scored

),

rated as not materialized (

    select
        *,
        case
            -- A session that saw nothing is no good session, whatever else is known of it.
            when observed_count = 0 and session_kind = 'retirement' then null
            when observed_count = 0 then 0
            else round((score_sum / nullif(weight_sum, 0))::numeric, 4)::double precision
        end as overall_score
    from weighed

),

-- The last five good sessions of the scope before each session.
usual as (

    select
        rated.session_id,
        {%- for measure in usual_measures %}
        percentile_cont(0.5) within group (order by good.{{ measure }}) as {{ measure }},
        {%- endfor %}
        count(*) as session_count
    from rated
    cross join
        lateral (
            select earlier.*
            from rated as earlier
            where
                earlier.source = rated.source
                and earlier.scope = rated.scope
                and earlier.observed_at < rated.observed_at
                and earlier.may_remove
                and earlier.session_kind is distinct from 'retirement'
                and earlier.session_status in ('published', 'complete')
            order by earlier.observed_at desc, earlier.session_id desc
            limit 5
        ) as good
    group by rated.session_id

),

published as (

    select
        rated.*,
        counts.sync_id,
        counts.removal_suppressed_reason,
        counts.observed,
        counts.created,
        counts.updated,
        counts.price_changed,
        counts.price_up,
        counts.price_down,
        counts.reactivated,
        counts.missing,
        counts.removed,
        counts.unchanged,
        counts.held,
        counts.rejected,
        counts.removals_suppressed
    from syncs
    inner join counts on syncs.sync_id = counts.sync_id
    inner join rated on counts.session_id = rated.session_id

)

select
    published.session_id,
    published.sync_id,

    published.source,
    published.scope,
    published.session_kind,
    published.session_status,
    published.incomplete_reason,
    published.quarantine_reason,
    published.removal_suppressed_reason,
    case
        when published.overall_score >= 0.9 then 'good'
        when published.overall_score >= 0.75 then 'fair'
        when published.overall_score is not null then 'poor'
    end as quality_grade,
    published.fill_rates,
    published.unreadable_counts,
    coalesce(published.violations_by_rule, '[]') as violations_by_rule,
    coalesce(published.checks, '[]') as checks,
    coalesce(published.frozen_fields, '[]') as frozen_fields,
    published.geography,

    published.observed_count,
    published.page_coverage,
    published.listing_coverage,
    published.volume_ratio,
    published.completeness,
    published.duplicate_rate,
    published.error_rate,
    published.error_violations,
    published.warning_violations,
    published.info_violations,
    published.age_hours,
    published.freshness_limit_hours,
    published.city_diversity,
    published.effective_cities,
    published.cell_diversity,
    published.effective_cells,
    published.located_count,
    published.outlier_count,
    published.outlier_limit_km,

    published.completeness_score,
    published.validation_score,
    published.uniqueness_score,
    published.freshness_score,
    published.geography_score,
    published.overall_score,

    coalesce(usual.session_count, 0) as usual_session_count,
    usual.observed_count as usual_observed_count,
    usual.duplicate_rate as usual_duplicate_rate,
    usual.error_rate as usual_error_rate,
    published.usual_effective_cells,
    usual.completeness_score as usual_completeness_score,
    usual.validation_score as usual_validation_score,
    usual.uniqueness_score as usual_uniqueness_score,
    usual.freshness_score as usual_freshness_score,
    usual.geography_score as usual_geography_score,
    usual.overall_score as usual_overall_score,

    published.rows_landed,
    published.rows_rejected,
    published.duplicates_collapsed,
    published.observed,
    published.created,
    published.updated,
    published.price_changed,
    published.price_up,
    published.price_down,
    published.reactivated,
    published.missing,
    published.removed,
    published.unchanged,
    published.held,
    published.rejected,
    published.removals_suppressed,

    published.is_complete,
    published.may_publish,
    published.may_remove,

    published.observed_at,
    published.published_at
from published
left join usual on published.session_id = usual.session_id
