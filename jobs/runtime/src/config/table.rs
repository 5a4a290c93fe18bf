//! The table of all settings: name, default, help, and where the value goes.

use super::{
    ApiConfig, Config, DatabaseConfig, LogConfig, LogFormat, MetricsConfig, OutboundConfig, RedisConfig,
    RetentionConfig, SchedulerConfig, WebhookConfig, WorkerConfig, parse_rate_limits,
    value::{self, Value},
};
use std::time::Duration;

/// One setting.
pub struct Setting {
    /// Its key in the settings file, as `section.key`; the name of its variable follows from it.
    pub key: &'static str,
    /// What it is when nobody sets it, as text; empty for none.
    pub default: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// A variable of other programs that is honoured too.
    pub also: Option<&'static str>,
    /// What listings must not show of it.
    pub secret: Secret,
    pub(super) set: Set,
}

impl Setting {
    /// The name of its variable: `api.bind` is `LONGSHORE_API_BIND`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("LONGSHORE_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    pub(super) fn shown(&self, text: &str) -> String {
        match self.secret {
            Secret::Nothing => text.to_owned(),
            Secret::Password => value::mask_url(text),
            Secret::All if text.is_empty() => String::new(),
            Secret::All => "***".to_owned(),
        }
    }
}

/// What of a value is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// Nothing.
    Nothing,
    /// The password, in a URL.
    Password,
    /// All of it.
    All,
}

/// How a setting is read.
type Set = fn(&mut Config, &str) -> Result<(), String>;

const fn setting(key: &'static str, default: &'static str, set: Set, help: &'static str) -> Setting {
    Setting { key, default, help, also: None, secret: Secret::Nothing, set }
}

impl Setting {
    const fn also(mut self, variable: &'static str) -> Self {
        self.also = Some(variable);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = Secret::Password;
        self
    }

    const fn hidden(mut self) -> Self {
        self.secret = Secret::All;
        self
    }
}

/// Reads the value into a field, by the type of the field.
macro_rules! to {
    ($($field:ident).+) => {
        |config, text| {
            config.$($field).+ = Value::read(text)?;
            Ok(())
        }
    };
}

/// Every setting there is. The order matters once: `worker.queues` is read with `worker.concurrency`.
pub static SETTINGS: &[Setting] = &[
    setting("data_dir", ".longshore", to!(data_dir), "folder for artifacts and the data of private servers"),
    setting("artifacts_url", "", to!(artifacts_url), "file://, s3://, gs:// or az:// (default: <data_dir>/artifacts)")
        .secret(),
    setting(
        "secret_key",
        "",
        to!(secret_key),
        "what keys are hashed under; 32 characters or more, the same for all APIs",
    )
    .hidden(),
    setting(
        "secret_key_file",
        "",
        to!(secret_key_file),
        "its file (default: <data_dir>/secret.key, made by `longshore up`)",
    ),
    setting("admin_key", "", to!(admin_key), "a key that may do everything, where the deployment declares one")
        .hidden(),
    setting("no_auth", "false", to!(no_auth), "ask nobody for a key; only on a loopback address"),
    setting("database.url", "", to!(database.url), "Postgres; without it `longshore up` runs a private one")
        .also("DATABASE_URL")
        .secret(),
    setting("database.pool_size", "10", to!(database.pool_size), "connections to Postgres of each process"),
    setting("database.statement_timeout", "8s", to!(database.statement_timeout), "longest run of one statement"),
    setting("database.lock_timeout", "5s", to!(database.lock_timeout), "longest wait of a statement for a lock"),
    setting("database.acquire_timeout", "3s", to!(database.acquire_timeout), "longest wait for a free connection"),
    setting("redis.url", "", to!(redis.url), "Redis or Valkey; without it `longshore up` runs a private one")
        .also("REDIS_URL")
        .secret(),
    setting("redis.prefix", "longshore", to!(redis.prefix), "what every key in Redis begins with"),
    setting("api.bind", "127.0.0.1:8080", to!(api.bind), "address that the API listens on"),
    setting("api.public_url", "", to!(api.public_url), "address that clients see (default: the one they asked)"),
    setting("api.body_limit_bytes", "1048576", to!(api.body_limit_bytes), "largest request body"),
    setting("api.request_timeout", "10s", to!(api.request_timeout), "longest time for one request"),
    setting("api.cache", "64MiB", api_cache, "memory for answers about tasks that still hold; 0 for none"),
    setting(
        "api.header_timeout",
        "10s",
        to!(api.header_timeout),
        "longest time for the headers of a request to arrive",
    ),
    setting("api.idle_timeout", "75s", to!(api.idle_timeout), "longest time that a connection may be idle"),
    setting("api.max_connections", "20000", to!(api.max_connections), "connections that may be open; more get a 503"),
    setting(
        "api.max_connections_per_address",
        "2000",
        to!(api.max_connections_per_address),
        "the same from one address, those of trusted proxies aside",
    ),
    setting("api.max_in_flight", "512", to!(api.max_in_flight), "requests served at once; more are refused with 503"),
    setting(
        "api.max_waiting",
        "20000",
        to!(api.max_waiting),
        "long polls and streams at once; more are refused with 503",
    ),
    setting(
        "api.rate_limits",
        "videos=5/1m",
        rate_limits,
        "requests per key: submit, read, act, videos; strangers per address",
    ),
    setting("api.cors_origins", "", cors_origins, "origins whose pages may use the API: https://app.example, or *"),
    setting("api.trusted_proxies", "", trusted_proxies, "networks of proxies whose X-Forwarded-For counts"),
    setting("worker.name", "", to!(worker.name), "name of this worker (default: the host's name)"),
    setting("worker.concurrency", "4", to!(worker.concurrency), "tasks at once, for queues that name no number"),
    setting("worker.queues", "default=8,video=1", queues, "queues to serve, each with its number of tasks at once"),
    setting("worker.heartbeat", "1s", to!(worker.heartbeat), "how often a worker proves that it lives"),
    setting("worker.lease", "4s", to!(worker.lease), "how long a proof counts; then its tasks are taken back"),
    setting("worker.drain", "25s", to!(worker.drain), "how long running tasks may go on after SIGTERM"),
    setting("worker.attempt_memory", "6GiB", attempt_memory, "memory that a process of one attempt may use"),
    setting("worker.attempt_disk", "8GiB", attempt_disk, "disk that one attempt may use for scratch files"),
    setting("worker.media_bin", "", to!(worker.media_bin), "the renderer (default: longshore-media, beside longshore)"),
    setting("worker.echo_faults", "false", to!(worker.echo_faults), "let the echo kind crash its process, for tests"),
    setting("scheduler.tick", "1s", to!(scheduler.tick), "how often the scheduler looks for what fell through"),
    setting("webhooks.timeout", "15s", to!(webhooks.timeout), "how long a request of a webhook may take"),
    setting("webhooks.per_endpoint", "8", per_endpoint, "requests to one endpoint at the same time"),
    setting("webhooks.lease", "15s", to!(webhooks.lease), "how long a scheduler may be silent before others deliver"),
    setting("webhooks.pace", "1", pace, "the times between attempts are so many times shorter, for tests"),
    setting("webhooks.kept", "30d", to!(webhooks.kept), "how long the log of deliveries is kept"),
    setting(
        "retention.succeeded",
        "",
        to!(retention.succeeded),
        "how long tasks are kept that succeeded: 7d (default: for ever)",
    ),
    setting("retention.failed", "", to!(retention.failed), "how long tasks are kept that failed (default: for ever)"),
    setting("retention.canceled", "", to!(retention.canceled), "how long canceled tasks are kept (default: for ever)"),
    setting("retention.expired", "", to!(retention.expired), "how long expired tasks are kept (default: for ever)"),
    setting(
        "retention.observations",
        "90d",
        to!(retention.observations),
        "how long observed prices are kept; changes and last prices stay",
    ),
    setting(
        "outbound.allow",
        "",
        outbound_allow,
        "networks and hosts that may be requested though they are not public",
    ),
    setting("outbound.contact", "", to!(outbound.contact), "page or mail of who runs this, told to foreign hosts"),
    setting("outbound.pause", "1s", to!(outbound.pause), "least time between two requests to one foreign host"),
    setting("outbound.at_once", "2", to!(outbound.at_once), "requests to one foreign host at once"),
    setting("outbound.secrets_file", "", to!(outbound.secrets_file), "secrets for providers of prices: docs/prices.md"),
    setting(
        "metrics.bind",
        "",
        to!(metrics.bind),
        "address of a listener for Prometheus, without keys (default: none)",
    ),
    setting("log.format", "auto", to!(log.format), "auto (pretty on a terminal, else JSON), pretty or json"),
    setting("log.level", "info,sqlx=warn,apalis_core=warn", to!(log.level), "a level, or directives (RUST_LOG wins)"),
];

fn queues(config: &mut Config, text: &str) -> Result<(), String> {
    config.worker.queues = value::parse_queues(text, config.worker.concurrency)?;
    Ok(())
}

fn api_cache(config: &mut Config, text: &str) -> Result<(), String> {
    config.api.cache_bytes = usize::try_from(value::parse_bytes(text)?).unwrap_or(usize::MAX);
    Ok(())
}

fn rate_limits(config: &mut Config, text: &str) -> Result<(), String> {
    config.api.rate_limits = parse_rate_limits(text)?;
    Ok(())
}

fn cors_origins(config: &mut Config, text: &str) -> Result<(), String> {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    config.api.cors_origins = origins.map(origin).collect::<Result<_, _>>()?;
    Ok(())
}

/// A scheme and a host, as browsers write it in `Origin`: without a path.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    let is_origin = host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain));
    if text == "*" || is_origin {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is no origin such as https://app.example, and not *"))
}

fn trusted_proxies(config: &mut Config, text: &str) -> Result<(), String> {
    let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
    config.api.trusted_proxies = networks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(())
}

fn outbound_allow(config: &mut Config, text: &str) -> Result<(), String> {
    let allowed = text.split(',').map(str::trim).filter(|allowed| !allowed.is_empty());
    config.outbound.allow = allowed.map(str::to_owned).collect();
    Ok(())
}

fn per_endpoint(config: &mut Config, text: &str) -> Result<(), String> {
    let at_once: usize = Value::read(text)?;
    config.webhooks.per_endpoint = Some(at_once).filter(|n| (1..=1_000).contains(n)).ok_or("must be from 1 to 1000")?;
    Ok(())
}

fn pace(config: &mut Config, text: &str) -> Result<(), String> {
    let pace = text.parse::<f64>().ok().filter(|pace| (1.0..=1e9).contains(pace));
    config.webhooks.pace = pace.ok_or("must be a number from 1")?;
    Ok(())
}

fn attempt_memory(config: &mut Config, text: &str) -> Result<(), String> {
    config.worker.attempt_memory_bytes = value::parse_bytes(text)?;
    Ok(())
}

fn attempt_disk(config: &mut Config, text: &str) -> Result<(), String> {
    config.worker.attempt_disk_bytes = value::parse_bytes(text)?;
    Ok(())
}

/// Variables that begin like settings but belong to something else, with what that is.
pub(super) const OTHER_VARIABLES: &[&str] = &[
    "LONGSHORE_CONFIG",      // the settings file
    "LONGSHORE_URL",         // the server that client commands talk to
    "LONGSHORE_API_KEY",     // how they prove who they are
    "LONGSHORE_CONFORMANCE", // extra fixtures for the tests
    "LONGSHORE_SUPERVISED",  // set by `longshore up` for the processes it looks after
];

/// The defaults of the table, as a `Config`.
pub(super) fn defaults() -> Config {
    let mut config = blank();
    for setting in SETTINGS {
        // The test below reads every default; a bad one never leaves this repository.
        if let Err(problem) = (setting.set)(&mut config, setting.default) {
            unreachable!("the default of {}: {problem}", setting.key);
        }
    }
    config
}

/// What exists before the table filled it in. None of these values is ever seen.
fn blank() -> Config {
    let none = Duration::ZERO;
    Config {
        data_dir: std::path::PathBuf::new(),
        artifacts_url: None,
        secret_key: None,
        secret_key_file: None,
        admin_key: None,
        no_auth: false,
        database: DatabaseConfig {
            url: None,
            pool_size: 0,
            statement_timeout: none,
            lock_timeout: none,
            acquire_timeout: none,
        },
        redis: RedisConfig { url: None, prefix: String::new() },
        api: ApiConfig {
            bind: String::new(),
            public_url: None,
            body_limit_bytes: 0,
            request_timeout: none,
            cache_bytes: 0,
            header_timeout: none,
            idle_timeout: none,
            max_connections: 0,
            max_connections_per_address: 0,
            max_in_flight: 0,
            max_waiting: 0,
            cors_origins: Vec::new(),
            rate_limits: Vec::new(),
            trusted_proxies: Vec::new(),
        },
        worker: WorkerConfig {
            name: None,
            queues: Vec::new(),
            concurrency: 0,
            heartbeat: none,
            lease: none,
            drain: none,
            attempt_memory_bytes: 0,
            attempt_disk_bytes: 0,
            media_bin: None,
            echo_faults: false,
        },
        scheduler: SchedulerConfig { tick: none },
        outbound: OutboundConfig { allow: Vec::new(), contact: None, pause: none, at_once: 0, secrets_file: None },
        kinds: std::collections::BTreeMap::new(),
        webhooks: WebhookConfig { timeout: none, per_endpoint: 0, lease: none, pace: 0.0, kept: none },
        retention: RetentionConfig::default(),
        metrics: MetricsConfig { bind: None },
        log: LogConfig { format: LogFormat::Auto, level: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_read_and_fills_its_field() {
        let config = defaults();
        let blank = blank();

        assert_ne!(config.database.pool_size, blank.database.pool_size);
        assert_eq!(config.worker.queues, [("default".to_owned(), 8), ("video".to_owned(), 1)]);
        assert_eq!(config.worker.lease, Duration::from_secs(4));
        assert_eq!((config.worker.attempt_memory_bytes, config.worker.attempt_disk_bytes), (6 << 30, 8 << 30));
        assert_eq!(config.api.body_limit_bytes, 1 << 20);
        let unset =
            [config.scheduler.tick, config.database.lock_timeout, config.worker.drain, config.api.request_timeout];
        assert!(!unset.contains(&Duration::ZERO));
    }

    #[test]
    fn names_are_unique_and_helps_are_one_short_line() {
        let mut names: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
        for setting in SETTINGS {
            assert!(
                !setting.help.is_empty() && setting.help.len() <= 90 && !setting.help.contains('\n'),
                "{}",
                setting.key
            );
        }
    }
}
