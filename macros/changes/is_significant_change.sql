{#-
    Whether a change counts as one that a reader wants to hear of: a value that appeared or vanished, or one at least
    the threshold away from the last value that was significant. Fields compared as `never` do not tell.
-#}
{% macro is_significant_change(comparison, threshold, size) -%}
({{ comparison }} <> 'never' and coalesce({{ size }} >= coalesce({{ threshold }}, 0), true))
{%- endmacro %}
