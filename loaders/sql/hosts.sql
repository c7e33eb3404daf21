-- name: take_turn
-- Reserves the host's next turn; the seconds until it comes.
insert into crawl_hosts as hosts (host, next_at)
values (%(host)s, clock_timestamp() + make_interval(secs => %(delay)s))
on conflict (host) do update
set
    next_at = greatest(hosts.next_at, hosts.paused_until, clock_timestamp())
    + make_interval(secs => greatest(hosts.delay, %(delay)s))
returning
    extract(epoch from hosts.next_at - clock_timestamp())::double precision - greatest(hosts.delay, %(delay)s);

-- name: start_turn
-- Keeps the distance to a request that starts now, somewhat later than its turn came.
update crawl_hosts
set next_at = greatest(next_at, clock_timestamp() + make_interval(secs => greatest(delay, %(delay)s)))
where host = %(host)s;

-- name: pause_host
-- Leaves a host alone for a while.
insert into crawl_hosts as hosts (host, paused_until)
values (%(host)s, clock_timestamp() + make_interval(secs => %(seconds)s))
on conflict (host) do update
set paused_until = greatest(hosts.paused_until, clock_timestamp() + make_interval(secs => %(seconds)s));

-- name: robots
-- The robots.txt of an origin, where it is not due again.
select body from crawl_robots where origin = %(origin)s and due_at > clock_timestamp() and body is not null;

-- name: lease_robots
-- Lets one worker at a time fetch a robots.txt that is due.
insert into crawl_robots as robots (origin, lease_until)
values (%(origin)s, clock_timestamp() + make_interval(secs => %(lease)s))
on conflict (origin) do update
set lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
where robots.due_at <= clock_timestamp() and robots.lease_until < clock_timestamp()
returning origin;

-- name: release_robots
-- Lets others try to fetch a robots.txt that could not be read.
update crawl_robots set lease_until = clock_timestamp(), due_at = clock_timestamp() where origin = %(origin)s;

-- name: keep_stale_robots
-- Puts off fetching a robots.txt again, where it was fetched lately enough to be believed all the same.
update crawl_robots
set due_at = clock_timestamp() + make_interval(secs => %(keep)s), lease_until = clock_timestamp()
where
    origin = %(origin)s
    and body is not null
    and fetched_at > clock_timestamp() - make_interval(secs => %(stale)s)
returning body;

-- name: keep_robots
-- Keeps a robots.txt for all workers.
update crawl_robots
set
    body = %(body)s,
    fetched_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => %(keep)s),
    lease_until = clock_timestamp()
where origin = %(origin)s;

-- name: keep_crawl_delay
-- Keeps the delay that a host's robots.txt asks for, from the request for robots.txt on.
insert into crawl_hosts as hosts (host, delay, next_at)
values (%(host)s, %(delay)s, clock_timestamp() + make_interval(secs => %(delay)s))
on conflict (host) do update
set delay = excluded.delay, next_at = greatest(hosts.next_at, excluded.next_at);

-- name: host_succeeded
-- Closes the circuit breaker of hosts that answered.
update crawl_hosts set failures = 0, blocks = 0
where host = any(%(hosts)s) and (failures > 0 or blocks > 0);

-- name: host_failed
-- Counts trouble in a row.
update crawl_hosts
set failures = failures + %(failures)s, blocks = blocks + %(blocks)s
where host = %(host)s
returning failures, blocks;

-- name: forgive_hosts
-- Lets the next crawl judge for itself.
update crawl_hosts set failures = 0, blocks = 0 where host = any(%(hosts)s);
