{#-
    Last statements of the transaction that upserts the live table: sightings, the feed's rows become visible,
    sessions move on, counts are kept, listeners are told. It raises rather than publish less than was compared.
-#}
{% macro publish() %}
do $publish$
declare
    open_sync {{ target.schema }}.sync_metadata;
    affected bigint;
begin
    select * into open_sync from {{ target.schema }}.sync_metadata where status = 'running';
    if open_sync.sync_id is null then
        return;
    end if;

    insert into {{ target.schema }}.listing_sightings (property_id, session_id, observed_at, is_read)
    select property_id, session_id, observed_at, is_read from {{ ref('int_listings_compared') }}
    where evidence is null
    -- A quarantined session that is synced again was seen before.
    on conflict (property_id, session_id) do nothing;

    {{ record_rule_results() | trim | indent(4) }}

    update {{ ref('property_changes') }} set is_published = true
    where sync_id = open_sync.sync_id and not is_published;
    get diagnostics affected = row_count;
    if affected <> open_sync.candidate_changes then
        raise exception '% changes became visible, % were written down', affected, open_sync.candidate_changes;
    end if;

    update {{ target.schema }}.scrape_sessions as sessions
    set
        status = case when gated.may_publish then 'published' else 'quarantined' end,
        published_at = now(),
        may_publish = gated.may_publish,
        may_remove = gated.may_remove,
        verdict_reason = nullif(concat_ws('; ', counts.removal_suppressed_reason, gated.frozen_reason), ''),
        verdict = to_jsonb(gated)
    from {{ ref('int_sessions_gated') }} as gated
    inner join {{ ref('int_session_counts') }} as counts on gated.session_id = counts.session_id
    where sessions.session_id = gated.session_id and sessions.status = 'scraped';
    get diagnostics affected = row_count;
    if affected <> cardinality(open_sync.candidate_sessions) then
        raise exception '% sessions moved on, % were taken', affected, cardinality(open_sync.candidate_sessions);
    end if;

    update {{ target.schema }}.sync_sessions as taken
    set
        {%- for count in sync_counts() %}
        {{ count }} = counts.{{ count }},
        {%- endfor %}
        removals_suppressed = counts.removals_suppressed,
        removal_suppressed_reason = counts.removal_suppressed_reason
    from {{ ref('int_session_counts') }} as counts
    where taken.sync_id = open_sync.sync_id and taken.session_id = counts.session_id;

    update {{ target.schema }}.sync_metadata
    set
        status = 'published',
        version = open_sync.base_version + 1,
        published_at = now(),
        last_sequence = (select max(sequence) from {{ ref('property_changes') }} where sync_id = open_sync.sync_id),
        {%- for count in sync_counts() %}
        {{ count }} = totals.{{ count }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            {%- for count in sync_counts() %}
            sum({{ count }}) as {{ count }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ ref('int_session_counts') }}
    ) as totals
    where sync_id = open_sync.sync_id;

    perform pg_notify(
        'property_changes',
        (
            select json_build_object(
                'sync_id', sync_id,
                'version', version,
                'last_sequence', last_sequence,
                {%- for count in sync_counts() %}
                '{{ count }}', {{ count }}{{ ',' if not loop.last }}
                {%- endfor %}
            )::text
            from {{ target.schema }}.sync_metadata where sync_id = open_sync.sync_id
        )
    );
end
$publish$
{% endmacro %}

{#- The counts of distinct listings that a session and a sync carry. -#}
{% macro sync_counts() %}
    {% do return([
        'observed', 'created', 'relisted', 'updated', 'price_changed', 'price_up', 'price_down', 'reactivated', 'missing',
        'removed', 'unchanged', 'held', 'rejected',
    ]) %}
{% endmacro %}
