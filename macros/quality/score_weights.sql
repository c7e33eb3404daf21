{#- What each part counts in the overall score; parts that a session does not know are left out of the mean. -#}
{% macro score_weights() %}
    {% do return({
        'completeness_score': 0.35,
        'validation_score': 0.30,
        'uniqueness_score': 0.10,
        'freshness_score': 0.10,
        'geography_score': 0.15,
    }) %}
{% endmacro %}

{#- What a listing loses of its validation score by the worst rule it breaks. -#}
{% macro severity_weights() %}
    {% do return({'error': 1.0, 'warning': 0.3, 'info': 0.05}) %}
{% endmacro %}
