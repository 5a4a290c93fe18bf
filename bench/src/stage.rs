//! What every scenario stands on: a private Postgres and Redis, the programs, a folder.

use std::{
    cell::Cell,
    fs::Permissions,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use jobs_runtime::{PrivateServers, servers::ServerOptions};
use redis::aio::MultiplexedConnection;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tempfile::TempDir;

use crate::{conditions::Conditions, options::Options};

/// The servers of a run. Dropping stops them and removes all their data.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What was asked for.
    pub(crate) options: Options,
    programs: PathBuf,
    servers: PrivateServers,
    databases: Cell<u32>,
    // Behind the servers, which keep their data in it.
    _data: Leftover,
    folder: TempDir,
}

/// Data of servers that do not keep it where they were asked to: see [`PrivateServers::dir`].
#[derive(Debug)]
struct Leftover(PathBuf);

impl Stage {
    /// Starts both servers, durable, with everything else as they have it.
    pub(crate) async fn start(options: Options) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find the path of this program")?;
        let programs = program.parent().context("this program lies in a folder")?.to_owned();
        let longshore = programs.join("longshore");
        ensure!(longshore.exists(), "{} is not built: run bin/bench", longshore.display());
        let beside = options.dir.clone().unwrap_or_else(|| programs.clone());
        // The servers run under accounts of their own where root starts them.
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&beside)
            .with_context(|| format!("make a folder in {}", beside.display()))?;
        let wanted = ServerOptions::new(folder.path().join("servers"));
        let servers = tokio::task::spawn_blocking(move || PrivateServers::start(&wanted)).await??;
        let data = Leftover(servers.dir().to_owned());
        Ok(Self { options, programs, servers, databases: Cell::new(0), _data: data, folder })
    }

    /// What the figures hold under.
    pub(crate) async fn conditions(&self) -> anyhow::Result<Conditions> {
        Conditions::look(self).await
    }

    /// The path of `longshore`.
    pub(crate) fn longshore(&self) -> PathBuf {
        self.programs.join("longshore")
    }

    /// A folder for data that need not outlive the run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder in it.
    pub(crate) fn new_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(format!("{name}-{}", self.databases.get()));
        std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    /// Both servers as processes.
    pub(crate) fn servers(&self) -> anyhow::Result<[(&'static str, u32); 2]> {
        let postgres = self.servers.postgres_pid().context("Postgres has ended")?;
        let redis = self.servers.redis_pid().context("Redis has ended")?;
        Ok([("postgres", postgres), ("redis", redis)])
    }

    /// Makes a new, empty database. Gives its name and its address.
    pub(crate) async fn new_database(&self) -> anyhow::Result<(String, String)> {
        self.databases.set(self.databases.get() + 1);
        let name = format!("bench_{}", self.databases.get());
        self.administrate(&format!("CREATE DATABASE {name}")).await?;
        let url = self.servers.database_url_of(&name);
        Ok((name, url))
    }

    /// Removes a database, whoever uses it, and leaves the disk in peace for the next measurement.
    pub(crate) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        self.administrate(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        self.administrate("CHECKPOINT").await
    }

    async fn administrate(&self, sql: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&self.servers.database_url()).await?;
        connection.execute(AssertSqlSafe(sql)).await.with_context(|| sql.to_owned())?;
        Ok(connection.close().await?)
    }

    /// Connections to a database for looking from outside.
    pub(crate) fn pool(&self, url: &str) -> anyhow::Result<PgPool> {
        let options = PgConnectOptions::from_str(url)?.application_name("bench").options([
            // What is looked at has few rows in an index of its own, whatever the planner knows of a table that grows.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("jit", "off"),
        ]);
        Ok(PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(30)).connect_lazy_with(options))
    }

    /// The address of Postgres, with a database that is always there.
    pub(crate) fn database_url(&self) -> String {
        self.servers.database_url()
    }

    /// The address of Redis.
    pub(crate) fn redis_url(&self) -> String {
        self.servers.redis_url()
    }

    /// The socket of Redis.
    pub(crate) fn redis_socket(&self) -> anyhow::Result<PathBuf> {
        let client = redis::Client::open(self.redis_url())?;
        match client.get_connection_info().addr() {
            redis::ConnectionAddr::Unix(path) => Ok(path.clone()),
            other => anyhow::bail!("Redis listens on {other}, and not on a socket"),
        }
    }

    /// A connection to a numbered database of Redis.
    pub(crate) async fn redis(&self, database: u8) -> anyhow::Result<MultiplexedConnection> {
        let client = redis::Client::open(self.redis_url())?;
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(60)));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let () = redis::cmd("SELECT").arg(database).query_async(&mut connection).await?;
        Ok(connection)
    }

    /// Empties all of Redis.
    pub(crate) async fn clear_redis(&self) -> anyhow::Result<()> {
        let mut redis = self.redis(0).await?;
        Ok(redis::cmd("FLUSHALL").query_async(&mut redis).await?)
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
