//! What the bare servers can do: the measures that our figures are held against.

mod insert;
mod redis_commands;
mod redis_list;

pub(crate) use insert::insert;
pub(crate) use redis_commands::redis_commands;
pub(crate) use redis_list::redis_list;

/// The bare Redis in figures.
pub(crate) const REDIS: &str = "redis";
/// The bare Postgres in figures.
pub(crate) const POSTGRES: &str = "postgres";
