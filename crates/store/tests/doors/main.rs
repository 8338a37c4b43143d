//! Every store function, on SQLite always and on PostgreSQL where its programs are installed.

mod support;

mod alerts;
mod events;
mod people;
mod queue;
mod store;
mod work;
