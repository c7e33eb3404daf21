{{ config(materialized='view') }}

with

sessions as (

    select * from {{ ref('int_sessions_gated') }}

),

compared as (

    select
        session_id,
        count(*) filter (where evidence is null) as observed,
        count(*) filter (where outcome = 'rejected') as rejected,
        count(*) filter (where outcome = 'created') as created,
        count(*) filter (where outcome = 'reactivated') as reactivated
    from {{ ref('int_listings_compared') }}
    group by session_id

),

changed as (

    select
        session_id,
        count(*) filter (where change_type = 'relisted') as relisted,
        count(*) filter (where is_held) as held,
        count(*) filter (where change_type = 'updated' and not is_held) as updated,
        count(*) filter (
            where change_type = 'updated'
            and (price <> published_price or (has_other_currency and num_nulls(price, published_price) = 0))
        ) as price_changed,
        count(*) filter (
            where change_type = 'updated' and not has_other_currency and price > published_price
        ) as price_up,
        count(*) filter (
            where change_type = 'updated' and not has_other_currency and price < published_price
        ) as price_down
    from (
        select
            *,
            coalesce(price_verdict, '') = 'held' and coalesce(change_type, '') <> 'reactivated' as is_held
        from {{ ref('int_listings_changed') }}
    ) as decided
    group by session_id

),

absent as (

    select
        session_id,
        count(*) filter (where outcome in ('missing', 'over_limit')) as missing,
        count(*) filter (where outcome = 'removed') as removed,
        count(*) filter (where outcome = 'suppressed') as suppressed,
        max(
            format(
                '%s of %s listings would be removed at once, more than the limit of %s %%',
                ripe_count, active_count, round((max_removal_share * 100)::numeric, 1)
            )
        ) filter (where outcome = 'over_limit') as over_limit_reason,
        count(*) filter (where outcome = 'over_limit') as over_limit
    from {{ ref('int_listings_missing') }}
    group by session_id

)

select
    sessions.sync_id,
    sessions.session_id,

    coalesce(sessions.removal_suppressed_reason, absent.over_limit_reason) as removal_suppressed_reason,

    coalesce(compared.observed, 0) as observed,
    coalesce(compared.created, 0) as created,
    coalesce(changed.relisted, 0) as relisted,
    coalesce(changed.updated, 0) as updated,
    coalesce(changed.price_changed, 0) as price_changed,
    coalesce(changed.price_up, 0) as price_up,
    coalesce(changed.price_down, 0) as price_down,
    coalesce(compared.reactivated, 0) as reactivated,
    coalesce(absent.missing, 0) as missing,
    coalesce(absent.removed, 0) as removed,
    coalesce(compared.observed, 0)
    - coalesce(compared.rejected, 0)
    - coalesce(compared.created, 0)
    - coalesce(compared.reactivated, 0)
    - coalesce(changed.held, 0)
    - coalesce(changed.updated, 0) as unchanged,
    coalesce(changed.held, 0) as held,
    coalesce(compared.rejected, 0) as rejected,
    coalesce(absent.suppressed, 0) + coalesce(absent.over_limit, 0) as removals_suppressed
from sessions
left join compared on sessions.session_id = compared.session_id
left join changed on sessions.session_id = changed.session_id
left join absent on sessions.session_id = absent.session_id
