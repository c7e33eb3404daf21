-- Scopes that nobody crawls any more: they keep no listing active, and nothing lands in them.
create table retired_scopes (
    source text not null references sources (source),
    scope text not null,
    retired_at timestamptz not null default now(),
    primary key (source, scope)
);

comment on table retired_scopes is 'Scopes that are no longer crawled. One row per source and scope.';
