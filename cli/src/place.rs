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

/// The key that `longshore up` left in the data folder for its user, if `url` is where that `up` serves: nobody else gets to see it.
pub(crate) fn api_key(url: &str) -> Option<String> {
    let config = Config::load().ok()?;
    let record = Record::read(&config.data_dir)?;
    if !is_same_server(url, &record.api_url) {
        return None;
    }
    let key = std::fs::read_to_string(config.api_key_file()).ok()?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}

/// Whether two addresses are the same server. All names of this machine are one.
fn is_same_server(one: &str, other: &str) -> bool {
    let read = |text: &str| {
        let url = reqwest::Url::parse(text).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let is_here =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let host = if is_here { "localhost".to_owned() } else { host };
        Some((url.scheme().to_owned(), host, url.port_or_known_default()))
    };
    read(one).is_some_and(|one| Some(one) == read(other))
}

fn missing<T>(config: &Config, server: &str, variable: &str) -> anyhow::Result<T> {
    bail!("no {server}: set {variable}, or run `longshore up` first (nothing runs in {})", config.data_dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_this_machine_is_for_its_own_server_alone() {
        let here = "http://127.0.0.1:8080";
        for same in
            ["http://127.0.0.1:8080", "http://localhost:8080/", "http://127.0.0.1:8080/api/v1", "http://[::1]:8080"]
        {
            assert!(is_same_server(same, here), "{same}");
        }
        for other in [
            "http://127.0.0.1:8081",
            "https://127.0.0.1:8080",
            "http://10.0.0.7:8080",
            "http://localhost.example:8080",
            "x",
        ] {
            assert!(!is_same_server(other, here), "{other}");
        }
    }
}
