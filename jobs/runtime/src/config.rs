//! The settings of a process, typed.
//!
//! [`table`] is the only list: parsing, `longshore config` and the documentation are made from it.

mod error;
mod kinds;
mod network;
mod rate;
mod source;
pub mod table;
mod value;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use crate::secret::{AdminKey, ServerSecret};

pub use error::ConfigError;
pub use kinds::{KindConfig, configured, kind_word};
pub use network::Network;
pub use rate::{RateLimit, parse_rate_limits};
pub use source::{Listed, Loaded};
pub(crate) use value::escape_path;
pub use value::{format_duration, parse_bytes, parse_duration, parse_queues};

/// Everything that can be set, with its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where this installation keeps its files.
    pub data_dir: PathBuf,
    /// Where artifacts go, or nothing for a folder under `data_dir`: see [`Config::artifacts_url`].
    pub artifacts_url: Option<String>,
    /// What keys and signatures are made under: see [`ServerSecret::of`](crate::ServerSecret::of).
    pub secret_key: Option<ServerSecret>,
    /// The file of that, or nothing for one in `data_dir`: see [`Config::secret_key_file`].
    pub secret_key_file: Option<PathBuf>,
    /// A key that may do everything and is in no database.
    pub admin_key: Option<AdminKey>,
    /// Whether nobody is asked for a key.
    pub no_auth: bool,
    /// Postgres, the truth.
    pub database: DatabaseConfig,
    /// Redis, the index.
    pub redis: RedisConfig,
    /// The HTTP server.
    pub api: ApiConfig,
    /// The process that runs tasks.
    pub worker: WorkerConfig,
    /// The process that moves what is due.
    pub scheduler: SchedulerConfig,
    /// What goes out to foreign hosts.
    pub outbound: OutboundConfig,
    /// What tasks of kinds have unless they say otherwise, by [`kind_word`].
    pub kinds: BTreeMap<String, KindConfig>,
    /// How others are told of what happens.
    pub webhooks: WebhookConfig,
    /// How long what has ended is kept.
    pub retention: RetentionConfig,
    /// Where what is counted can be read.
    pub metrics: MetricsConfig,
    /// What is logged, and how it looks.
    pub log: LogConfig,
}

/// How to reach Postgres.
#[derive(Clone, PartialEq)]
pub struct DatabaseConfig {
    /// A `postgres://` URL; without one, `longshore up` runs a server of its own.
    pub url: Option<String>,
    /// Connections kept by each process.
    pub pool_size: u32,
    /// The longest that one statement may run.
    pub statement_timeout: Duration,
    /// The longest that a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// The longest that a request waits for a free connection.
    pub acquire_timeout: Duration,
}

/// How to reach Redis.
#[derive(Clone, PartialEq)]
pub struct RedisConfig {
    /// A `redis://` or `redis+unix://` URL; without one, `longshore up` runs a server of its own.
    pub url: Option<String>,
    /// What every key begins with, so that installations can share a server.
    pub prefix: String,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiConfig {
    /// The address to listen on.
    pub bind: String,
    /// The address that clients see, where it is not the one of their request.
    pub public_url: Option<String>,
    /// The largest request body.
    pub body_limit_bytes: usize,
    /// The longest that a request may take, waits that the client asked for aside.
    pub request_timeout: Duration,
    /// The memory that answers about tasks may take while they hold; 0 keeps none.
    pub cache_bytes: usize,
    /// The longest that the head of a request may take to arrive.
    pub header_timeout: Duration,
    /// The longest that a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// So many connections may be open; more are refused.
    pub max_connections: usize,
    /// So many of one address, those of trusted proxies aside.
    pub max_connections_per_address: usize,
    /// So many requests are served at once; more are refused.
    pub max_in_flight: usize,
    /// So many may wait or be streamed to at once.
    pub max_waiting: usize,
    /// The origins whose pages may read answers; `*` is all of them.
    pub cors_origins: Vec<String>,
    /// How often somebody may ask, by class of operation.
    pub rate_limits: Vec<RateLimit>,
    /// The proxies whose word about the addresses of clients counts.
    pub trusted_proxies: Vec<Network>,
}

/// The process that runs tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerConfig {
    /// What this worker is called, or nothing for the host's name: see [`WorkerConfig::name`].
    pub name: Option<String>,
    /// The queues that it serves, each with the number of tasks that run at the same time.
    pub queues: Vec<(String, usize)>,
    /// The number of tasks at the same time for a queue that names none.
    pub concurrency: usize,
    /// How often it proves that it lives.
    pub heartbeat: Duration,
    /// How long its last proof counts; then all that it held is taken back.
    pub lease: Duration,
    /// How long running tasks may go on after a stop was asked for.
    pub drain: Duration,
    /// The memory that a process of one attempt may use, in bytes.
    pub attempt_memory_bytes: u64,
    /// The disk that one attempt may use for scratch files, in bytes.
    pub attempt_disk_bytes: u64,
    /// The program that renders, or nothing to find it beside this one.
    pub media_bin: Option<PathBuf>,
    /// Whether the `echo` kind may crash its process, for tests of exactly that.
    pub echo_faults: bool,
}

/// The process that moves what is due.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerConfig {
    /// How often the safety nets look.
    pub tick: Duration,
}

/// How others are told of what happens.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookConfig {
    /// How long a request may take.
    pub timeout: Duration,
    /// Requests to one endpoint at the same time.
    pub per_endpoint: usize,
    /// How long a process may be silent before others deliver in its place.
    pub lease: Duration,
    /// The times of the law of retries pass so many times faster; 1 but for tests.
    pub pace: f64,
    /// How long it is kept what was sent and what came of it.
    pub kept: Duration,
}

/// What goes out to foreign hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundConfig {
    /// Networks and names of hosts that may be requested although they are not of the public Internet.
    pub allow: Vec<String>,
    /// Where people who run a host reach whoever runs this installation: an address of a page or of mail.
    pub contact: Option<String>,
    /// The least time between two requests to one host, where nothing else is known of it.
    pub pause: Duration,
    /// So many requests to one host at once.
    pub at_once: u32,
    /// The file of secrets that go along with requests, or nothing for none.
    pub secrets_file: Option<PathBuf>,
}

/// How long tasks are kept that have ended, by how they ended; nothing is for ever.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetentionConfig {
    /// Those that succeeded.
    pub succeeded: Option<Duration>,
    /// Those that failed.
    pub failed: Option<Duration>,
    /// Those that were canceled.
    pub canceled: Option<Duration>,
    /// Those that expired.
    pub expired: Option<Duration>,
    /// Observations of prices; the last one of each offer and the series of its changes stay.
    pub observations: Option<Duration>,
}

/// Where what is counted can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsConfig {
    /// The address of a listener without authentication, or nothing for none.
    pub bind: Option<String>,
}

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `info,sqlx=warn`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// For machines: one object a line.
    Json,
}

impl Config {
    /// The settings of this process: the environment first, then the file, then the defaults.
    ///
    /// # Errors
    /// When a value cannot be read; the error names the variable, or the key and the file. Names that nothing knows
    /// are no error: [`Loaded::warnings`] has them.
    pub fn load() -> Result<Self, ConfigError> {
        Ok(Loaded::from_process()?.config)
    }

    /// Where artifacts go, as a URL: the one that was set, or `<data_dir>/artifacts`.
    #[must_use]
    pub fn artifacts_url(&self) -> String {
        self.artifacts_url.clone().unwrap_or_else(|| {
            let folder = self.data_dir.join("artifacts");
            let folder = std::path::absolute(&folder).unwrap_or(folder);
            format!("file://{}", value::escape_path(&folder))
        })
    }
}

impl Config {
    /// Where the secret key lies that was not set itself: the file that was set, or `<data_dir>/secret.key`.
    #[must_use]
    pub fn secret_key_file(&self) -> PathBuf {
        self.secret_key_file.clone().unwrap_or_else(|| self.data_dir.join("secret.key"))
    }

    /// Where `longshore up` leaves the first API key for the commands of its user: `<data_dir>/api.key`.
    #[must_use]
    pub fn api_key_file(&self) -> PathBuf {
        self.data_dir.join("api.key")
    }
}

impl Default for Config {
    /// The defaults of the table.
    fn default() -> Self {
        table::defaults()
    }
}

impl RetentionConfig {
    /// The shortest time that is kept; none if nothing is ever removed.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        [self.succeeded, self.failed, self.canceled, self.expired].into_iter().flatten().min()
    }
}

impl WorkerConfig {
    /// What this worker is called: the name that was set, or the host's.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}

/// What `longshore up` sets for the processes that it looks after: their standard input ends when it is gone.
pub const SUPERVISED: &str = "LONGSHORE_SUPERVISED";

/// Whether `longshore up` looks after this process.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub(crate) fn supervised() -> bool {
    std::env::var_os(SUPERVISED).is_some_and(|value| value == "1")
}

/// The usual override of what is logged.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
pub(crate) fn rust_log() -> Option<String> {
    std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty())
}

// By hand, so that a password never reaches a log by way of `{:?}`.
impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &self.url.as_deref().map(value::mask_url))
            .field("pool_size", &self.pool_size)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .finish()
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.url.as_deref().map(value::mask_url))
            .field("prefix", &self.prefix)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_the_debug_output() {
        let mut config = Config::default();
        config.database.url = Some("postgres://anna:hunter2@db/longshore".into());
        config.redis.url = Some("redis://:hunter2@cache".into());

        let shown = format!("{config:?}");

        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("anna"), "{shown}");
    }

    #[test]
    fn artifacts_go_under_the_data_folder_unless_a_url_says_otherwise() {
        let mut config = Config { data_dir: "/srv/my data".into(), ..Config::default() };
        assert_eq!(config.artifacts_url(), "file:///srv/my%20data/artifacts");

        config.artifacts_url = Some("s3://bucket/x".into());
        assert_eq!(config.artifacts_url(), "s3://bucket/x");
    }
}
