-- What broke which rule, kept for good: written in the transaction that publishes the session.
create table rule_violations (
    property_id uuid not null,
    session_id uuid not null,
    rule_name text not null,
    sync_id uuid not null,
    field_name text not null,
    rule_type text not null,
    severity text not null check (severity in ('error', 'warning', 'info')),
    rule_version integer not null,
    found_value text,
    observed_at timestamptz not null,
    primary key (property_id, session_id, rule_name)
);

create index rule_violations_session on rule_violations (session_id);

create index rule_violations_errors on rule_violations (property_id) where severity = 'error';

comment on table rule_violations is
'Rules that listings broke, by the last evaluation of each session. One row per listing, session and rule.';
