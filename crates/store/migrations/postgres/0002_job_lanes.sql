-- Jobs of one lane run one after the other, oldest first.
alter table jobs add column lane text;
create index jobs_lane on jobs (lane, state);
