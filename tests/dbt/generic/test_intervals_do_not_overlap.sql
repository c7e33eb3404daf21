{#-
    Detects intervals of one key that are empty, reversed or begin before their predecessor ended; an end of NULL is
    open. A returned row is such an interval with the end of its predecessor.
-#}
{% test intervals_do_not_overlap(model, key, starts_at, ends_at) %}
with

ordered as (

    select
        {{ key }},
        {{ starts_at }} as starts_at,
        {{ ends_at }} as ends_at,
        row_number() over per_key as position,
        lag({{ ends_at }}) over per_key as previous_ends_at
    from {{ model }}
    window per_key as (partition by {{ key }} order by {{ starts_at }}, {{ ends_at }})

)

select * from ordered
where
    starts_at >= ends_at
    or (position > 1 and (previous_ends_at is null or starts_at < previous_ends_at))
{% endtest %}
