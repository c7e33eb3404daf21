{#-
    Query for the share of listings of each published session whose worst broken rule is of a severity, with the share of
    rejected ones that its gate allowed (NULL where it allowed any). Sessions that have too few listings to speak of,
    that judged stored rows again or that only retired a scope are left out.
-#}
{% macro violation_rates() -%}
select
    sessions.session_id,
    sessions.source,
    sessions.observed_at,
    sessions.is_forced,
    jsonb_path_query_first(
        sessions.verdict, '$.checks[*] ? (@.check_name == "error_rate" && @.verdict != "skip").threshold'
    )::double precision as max_error_rate,
    worst.severity,
    worst.listing_count / nullif((sessions.verdict ->> 'observed_count')::double precision, 0) as violation_rate
from {{ ref('stg_sessions') }} as sessions
cross join
    lateral (
        values
        ('error', (sessions.verdict ->> 'rejected_count')::bigint),
        ('warning', (sessions.verdict ->> 'warned_count')::bigint),
        ('info', (sessions.verdict ->> 'noted_count')::bigint)
    ) as worst (severity, listing_count)
where
    sessions.session_status in ('published', 'complete')
    and sessions.session_kind not in ('replay', 'retirement')
    and (sessions.verdict ->> 'observed_count')::bigint >= {{ enough_listings() }}
{%- endmacro %}
