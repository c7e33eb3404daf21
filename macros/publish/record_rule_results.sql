{#-
    Keeps what rules found, inside the publish transaction. A session that is judged again replaces its violations;
    which rules were applied, and how many listings broke them, is kept for every sync.
-#}
{% macro record_rule_results() %}
delete from {{ target.schema }}.rule_violations as earlier
using {{ ref('int_session_counts') }} as judged_again
where earlier.session_id = judged_again.session_id;

insert into {{ target.schema }}.rule_violations (
    property_id, session_id, rule_name, sync_id, field_name, rule_type, severity, rule_version, found_value, observed_at
)
select
    property_id, session_id, rule_name, sync_id, field_name, rule_type, severity, rule_version, found_value, observed_at
from {{ ref('int_rule_violations') }}
union all
select
    property_id, session_id, rule_name, sync_id, field_name, rule_type, severity, rule_version, found_value, observed_at
from {{ ref('int_frozen_violations') }};

insert into {{ target.schema }}.rule_evaluations (
    sync_id, session_id, rule_name, rule_version, severity, evaluated_count, violated_count
)
select
    counts.sync_id,
    counts.session_id,
    rules.rule_name,
    rules.rule_version,
    rules.severity,
    counts.observed,
    coalesce(broken.listing_count, 0)
from {{ ref('int_session_counts') }} as counts
cross join {{ ref('stg_validation_rules') }} as rules
left join (
    select session_id, rule_name, count(*) as listing_count
    from (
        select session_id, rule_name from {{ ref('int_rule_violations') }}
        union all
        select session_id, rule_name from {{ ref('int_frozen_violations') }}
    ) as violations
    group by session_id, rule_name
) as broken on counts.session_id = broken.session_id and rules.rule_name = broken.rule_name
where rules.is_enabled;
{% endmacro %}
