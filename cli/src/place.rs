//! Where Postgres and Redis are: set, or those of a `longshore up` that runs in the same folder.

use anyhow::bail;
use jobs_runtime::{Config, servers::Record};

/// Fills in the address of Postgres.
pub(crate) fn find_database(config: &mut Config) -> anyhow::Result<String> {
    if let Some(url) = &config.database.url {
        return Ok(url.clone());
    }
    let Some(record) = Record::read(&config.data_dir) else {
        return missing(config, "Postgres", "DATABASE_URL");
    };
    config.database.url = Some(record.database_url.clone());
    Ok(record.database_url)
}

/// Fills in the addresses of both servers.
pub(crate) fn find_servers(config: &mut Config) -> anyhow::Result<()> {
    find_database(config)?;
    if config.redis.url.is_none() {
        let Some(record) = Record::read(&config.data_dir) else {
            return missing(config, "Redis", "REDIS_URL");
        };
        config.redis.url = Some(record.redis_url);
    }
    Ok(())
}

fn missing<T>(config: &Config, server: &str, variable: &str) -> anyhow::Result<T> {
    bail!("no {server}: set {variable}, or run `longshore up` first (nothing runs in {})", config.data_dir.display())
}
