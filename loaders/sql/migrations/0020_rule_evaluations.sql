-- Which rules each sync applied to which session, in which version, and how many listings broke them.
create table rule_evaluations (
    sync_id uuid not null,
    session_id uuid not null,
    rule_name text not null,
    rule_version integer not null,
    severity text not null check (severity in ('error', 'warning', 'info')),
    evaluated_count bigint not null,
    violated_count bigint not null,
    evaluated_at timestamptz not null default now(),
    primary key (sync_id, session_id, rule_name)
);

create index rule_evaluations_rule on rule_evaluations (rule_name, rule_version);

create index rule_evaluations_session on rule_evaluations (session_id);

comment on table rule_evaluations is 'Rules as syncs applied them. One row per sync, session and enabled rule.';
