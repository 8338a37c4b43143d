-- A histogram as JSON; null for incidents that were not seen since it is kept.
alter table incidents add column sightings text;
