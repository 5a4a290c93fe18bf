//! Private servers: a Postgres and a Redis that belong to one folder and to the process that started them.
//!
//! The programs are the system's, the data is ours. Servers listen on Unix sockets in folders that only their account
//! can enter, run as an ordinary user even when root starts them, and stop when their starter stops. When it is killed,
//! a guard stops them; when that is killed too, the next start does. `longshore up` and the tests use the same code.
//!
//! Everything here blocks the calling thread, for a second or so at most when all is well.

mod account;
mod error;
mod place;
mod postgres;
mod process;
mod programs;
mod record;
mod redis;

use std::path::{Path, PathBuf};

pub use error::ServerError;
pub use record::Record;

use place::Place;
use postgres::Postgres;
use redis::Redis;

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The folder for data, sockets and logs. Made when missing; one starter at a time.
    pub dir: PathBuf,
    /// Whether to start Postgres.
    pub postgres: bool,
    /// Whether to start Redis.
    pub redis: bool,
    /// Whether a committed transaction survives a power cut, not only a crash of Postgres. Only tests can do without.
    pub durable: bool,
    /// The account to run them as, where root asks; by default `postgres` and `redis`, or `nobody`.
    pub as_user: Option<String>,
}

impl ServerOptions {
    /// Both servers, durable, under `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), postgres: true, redis: true, durable: true, as_user: None }
    }
}

/// Running private servers. Dropping stops them.
#[derive(Debug)]
pub struct PrivateServers {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    // Last, so that the folder and its lock outlive the servers.
    place: Place,
}

impl PrivateServers {
    /// Starts what `options` asks for and returns when both take connections. Leftovers of an earlier start in the same
    /// folder are stopped first; its data is kept.
    ///
    /// # Errors
    /// When a program is missing, the folder is in use or belongs to somebody else, or a server does not start: the
    /// error has the end of its log.
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let place = Place::choose(options)?;
        let mut servers = Self { postgres: None, redis: None, place };
        if options.postgres {
            servers.postgres = Some(Postgres::start(&servers.place, options.durable)?);
        }
        if options.redis {
            servers.redis = Some(Redis::start(&servers.place)?);
        }
        Ok(servers)
    }

    /// Starts both servers in a new folder under the system's temporary one. It goes when the servers go, and nothing
    /// in it is durable.
    ///
    /// # Errors
    /// As [`PrivateServers::start`].
    pub fn throwaway() -> Result<Self, ServerError> {
        let folder = place::temporary()?;
        let mut options = ServerOptions::new(folder.path());
        options.durable = false;
        let mut servers = Self::start(&options)?;
        servers.place.keep_temporary(folder);
        Ok(servers)
    }

    /// The folder that has data and logs. Not always the one that was asked for: see [`ServerOptions::dir`] and the log.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place.base()
    }

    /// The address of Postgres, as a URL with the database `longshore`.
    #[must_use]
    pub fn database_url(&self) -> String {
        self.database_url_of(postgres::DATABASE)
    }

    /// The address of another database on the same Postgres.
    #[must_use]
    pub fn database_url_of(&self, name: &str) -> String {
        postgres::url(&self.place, name)
    }

    /// The address of Redis, as a URL.
    #[must_use]
    pub fn redis_url(&self) -> String {
        redis::url(&self.place)
    }

    /// The process id of Postgres, while it runs.
    #[must_use]
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.as_ref().and_then(Postgres::pid)
    }

    /// The process id of Redis, while it runs.
    #[must_use]
    pub fn redis_pid(&self) -> Option<u32> {
        self.redis.as_ref().and_then(Redis::pid)
    }

    /// Makes a database, as a copy of `template` where one is named. Returns its URL.
    ///
    /// # Errors
    /// When the database exists, or the template does not or is in use.
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<String, ServerError> {
        let postgres = self.postgres.as_ref().ok_or(ServerError::NotStarted("postgres"))?;
        postgres.create_database(&self.place, name, template)?;
        Ok(self.database_url_of(name))
    }

    /// Stops Postgres: in order, or with `immediate` as a crash would, so that the next start recovers.
    ///
    /// # Errors
    /// When it was never started.
    pub fn stop_postgres(&mut self, immediate: bool) -> Result<(), ServerError> {
        self.postgres.as_mut().ok_or(ServerError::NotStarted("postgres"))?.stop(immediate);
        Ok(())
    }

    /// Starts Postgres again, on the same data and the same address.
    ///
    /// # Errors
    /// When it was never started, or does not start.
    pub fn start_postgres(&mut self) -> Result<(), ServerError> {
        self.postgres.as_mut().ok_or(ServerError::NotStarted("postgres"))?.run(&self.place)
    }

    /// Stops Postgres and starts it again.
    ///
    /// # Errors
    /// As [`PrivateServers::start_postgres`].
    pub fn restart_postgres(&mut self, immediate: bool) -> Result<(), ServerError> {
        self.stop_postgres(immediate)?;
        self.start_postgres()
    }

    /// Stops Redis. Its data is gone: it keeps nothing on disk.
    ///
    /// # Errors
    /// When it was never started.
    pub fn stop_redis(&mut self) -> Result<(), ServerError> {
        self.redis.as_mut().ok_or(ServerError::NotStarted("redis"))?.stop();
        Ok(())
    }

    /// Starts Redis again, empty, on the same address.
    ///
    /// # Errors
    /// When it was never started, or does not start.
    pub fn start_redis(&mut self) -> Result<(), ServerError> {
        self.redis.as_mut().ok_or(ServerError::NotStarted("redis"))?.run(&self.place)
    }

    /// Starts again what ended without being asked to. Returns the names of what it started.
    ///
    /// # Errors
    /// When a server does not start.
    pub fn revive(&mut self) -> Result<Vec<&'static str>, ServerError> {
        let mut revived = Vec::new();
        if let Some(postgres) = &mut self.postgres
            && postgres.has_crashed()
        {
            postgres.run(&self.place)?;
            revived.push("postgres");
        }
        if let Some(redis) = &mut self.redis
            && redis.has_crashed()
        {
            redis.run(&self.place)?;
            revived.push("redis");
        }
        Ok(revived)
    }
}
