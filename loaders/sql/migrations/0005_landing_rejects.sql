-- Rows that could not be landed, kept as text with the reason.
create table landing_rejects (
    session_id uuid not null,
    row_no bigint not null,
    source text not null,
    rejected_at timestamptz not null default now(),
    reason_code text not null,
    reason text not null,
    raw_text text not null,
    primary key (session_id, row_no)
);

comment on table landing_rejects is 'Rows a loader could not land, with the reason. One row per session and row number.';
