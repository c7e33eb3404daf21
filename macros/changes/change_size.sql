{#-
    How far apart two values of a field are, by the way the field is compared. Both are JSON; NULL where one is missing.
    ('relative', 200, 190) -> 0.05; ('similarity', 'old quiet flat', 'quiet flat') -> 0.33; ('any', 'a', 'b') -> 1.
    `metres` is the distance between the places the two rows name, for coordinates.
-#}
{% macro change_size(comparison, old_value, new_value, metres) -%}
round(case
    when {{ old_value }} is null or {{ new_value }} is null then null
    when {{ comparison }} = 'distance' then {{ metres }}
    when
        {{ comparison }} in ('absolute', 'relative')
        and jsonb_typeof({{ old_value }}) = 'number'
        and jsonb_typeof({{ new_value }}) = 'number'
        then abs(
            case
                when {{ comparison }} = 'absolute'
                    then {{ absolute_change(json_number(old_value), json_number(new_value)) }}
                else {{ relative_change(json_number(old_value), json_number(new_value)) }}
            end
        )
    when {{ comparison }} = 'similarity'
        then {{ _share_apart(_words(old_value), _words(new_value)) }}
    when
        {{ comparison }} = 'set'
        and jsonb_typeof({{ old_value }}) = 'array'
        and jsonb_typeof({{ new_value }}) = 'array'
        then {{ _share_apart(_entries(old_value), _entries(new_value)) }}
    else 1
end::numeric, 6)::double precision
{%- endmacro %}

{#- The distinct words of a JSON text, in lower case. -#}
{% macro _words(value) -%}
select regexp_split_to_table(lower({{ value }} #>> '{}'), '\W+')
{%- endmacro %}

{#- The entries of a JSON array of texts. -#}
{% macro _entries(value) -%}
select jsonb_array_elements_text({{ value }})
{%- endmacro %}

{#- The share of two sets' members that only one of them has, as Jaccard counted it. -#}
{% macro _share_apart(some, others) -%}
(
    select
        1 - count(*) filter (where is_in_some and is_in_others)::double precision / nullif(count(*), 0)
    from (
        select
            bool_or(is_some) as is_in_some,
            bool_or(not is_some) as is_in_others
        from (
            select one_side.member, true as is_some from ({{ some }}) as one_side (member)
            union all
            select other_side.member, false as is_some from ({{ others }}) as other_side (member)
        ) as memberships
        group by member
    ) as members
)
{%- endmacro %}
