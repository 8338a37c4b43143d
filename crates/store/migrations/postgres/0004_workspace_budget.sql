-- Runs that alerts may start in an hour, over all sources of the workspace.
alter table workspaces add column automatic_runs_per_hour_max bigint not null default 20;
