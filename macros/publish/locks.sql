{#- First key of the advisory lock that a command holds while it syncs; the second is the schema's hash. -#}
{% macro run_lock_class() %}20557{% endmacro %}

{#- Waits for the lock under which durable tables change; it is held until the transaction ends. -#}
{% macro take_publish_lock() %}perform pg_advisory_xact_lock(20558, hashtext('{{ target.schema }}'));{% endmacro %}
