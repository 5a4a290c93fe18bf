//! The schema of the database.

use std::str::FromStr;

use sqlx::{
    ConnectOptions, Connection,
    migrate::{Migrate, Migrator},
    postgres::PgConnectOptions,
};

/// All migrations, compiled in.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Brings the database at `url` up to date, and gives the number of migrations that it took. Safe to call from many
/// processes at once: they take turns.
///
/// # Errors
/// When the database cannot be reached, or a migration that was applied has been changed since.
pub async fn migrate(url: &str) -> Result<usize, sqlx::Error> {
    let mut connection = PgConnectOptions::from_str(url)?.application_name("longshore migrate").connect().await?;
    // The table of migrations is made under the lock, too: two processes that make it at once would hinder each other.
    connection.lock().await?;
    let before = applied(&mut connection).await?;
    // It takes the lock once more, which one connection may.
    MIGRATOR.run(&mut connection).await?;
    // Closing gives the lock back.
    connection.close().await?;
    Ok(MIGRATOR.iter().count().saturating_sub(before))
}

async fn applied(connection: &mut sqlx::PgConnection) -> Result<usize, sqlx::Error> {
    let table = "_sqlx_migrations";
    connection.ensure_migrations_table(table).await?;
    Ok(connection.list_applied_migrations(table).await?.len())
}
