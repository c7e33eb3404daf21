-- Rules as rows: the next run applies what stands here.
create table validation_rules (
    rule_name text primary key check (rule_name <> ''),
    field_name text not null,
    rule_type text not null,
    rule_config jsonb not null default '{}',
    severity text not null default 'error' check (severity in ('error', 'warning', 'info')),
    is_enabled boolean not null default true,
    origin text not null default 'user' check (origin in ('default', 'user')),
    description text,
    rule_version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table validation_rules is
'Validation rules, applied from the next run on: error quarantines, warning and info flag. One row per rule.';
