-- Append-only: every administrative command and every change of a rule or a setting.
create table admin_audit_log (
    audit_id bigserial primary key,
    occurred_at timestamptz not null default now(),
    actor text not null default session_user,
    action text not null,
    target text,
    details jsonb not null default '{}'
);

comment on table admin_audit_log is 'Administrative actions, append-only. One row per action.';
