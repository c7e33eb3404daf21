{#-
    Snapshot strategy `version`: a row is new when its `version` moved on. The id of a history row is made of key and
    version, so that a repeated run writes the same rows and no session time zone takes part.
-#}
{% macro snapshot_version_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {%- set key = config.get('unique_key') -%}
    {#- The first build of a history selects from nothing but the snapshot query. -#}
    {%- set row = current_rel ~ '.' if target_exists else '' -%}
    {% do return({
        'unique_key': key,
        'updated_at': config.get('updated_at'),
        'row_changed': snapshotted_rel ~ '.version < ' ~ current_rel ~ '.version',
        'scd_id': 'md5(' ~ row ~ key ~ " || '|' || " ~ row ~ 'version)',
        'hard_deletes': 'ignore',
    }) %}
{% endmacro %}
