with

-- Read for each session and again for its predecessors, of which few are needed.
sessions as not materialized (

    select * from {{ ref('stg_sessions') }}
    where verdict is not null and session_kind is distinct from 'retirement'

),

weights as (

    select * from {{ ref('completeness_weights') }}

),

-- What this session filled, and what each of the last five good sessions of the scope did.
fills as (

    select
        sessions.session_id,
        field.name as field_name,
        field.fill_rate::double precision as fill_rate,
        true as is_current
    from sessions
    cross join lateral jsonb_each_text(nullif(sessions.verdict -> 'fill_rates', 'null')) as field (name, fill_rate)
    union all
    select
        sessions.session_id,
        field.name,
        field.fill_rate::double precision as fill_rate,
        false as is_current
    from sessions
    cross join
        lateral (
            select good.verdict
            from sessions as good
            where
                good.source = sessions.source
                and good.scope = sessions.scope
                and good.observed_at < sessions.observed_at
                and good.may_remove
                and good.session_status in ('published', 'complete')
            order by good.observed_at desc, good.session_id desc
            limit 5
        ) as past
    cross join lateral jsonb_each_text(nullif(past.verdict -> 'fill_rates', 'null')) as field (name, fill_rate)
    -- A field that was broken then does not say what is usual.
    where not coalesce(past.verdict -> 'frozen_fields' ? field.name, false)

),

compared as (

    select
        session_id,
        field_name,
        max(fill_rate) filter (where is_current) as fill_rate,
        percentile_cont(0.5) within group (order by fill_rate) filter (where not is_current) as usual_fill_rate,
        count(*) filter (where not is_current) as usual_session_count
    from fills
    group by session_id, field_name

)

select
    compared.session_id,
    compared.field_name,

    coalesce(weights.weight, 0) as weight,
    compared.fill_rate,
    compared.usual_fill_rate,
    compared.usual_session_count,
    case
        when compared.fill_rate is null then 0
        else
            coalesce(
                (sessions.verdict #>> array['carried_counts', compared.field_name])::bigint,
                (sessions.verdict ->> 'observed_count')::bigint
            )
    end as listing_count,
    coalesce((sessions.verdict #>> array['unreadable_counts', compared.field_name])::bigint, 0) as unreadable_count,

    coalesce(sessions.verdict -> 'frozen_fields' ? compared.field_name, false) as is_frozen
from compared
inner join sessions on compared.session_id = sessions.session_id
left join weights on compared.field_name = weights.field_name
