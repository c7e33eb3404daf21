-- A request is known by its lock; whose process id asked tells nothing more.
alter table sync_requests drop column run_lock_pid;
