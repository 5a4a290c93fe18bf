//! Longshore as an operator runs it: its programs with their defaults, on a database of their own.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::ensure;
use hyper::{Method, StatusCode, header::HeaderValue};
use jobs_queue::Queue;
use sqlx::PgPool;

use crate::{
    load::{Connection, Target},
    oracle,
    process::Process,
    samples::Samples,
    stage::{Stage, free_port},
    subject::Subject,
    usage::Named,
};

/// The name of the system in figures.
pub(crate) const LONGSHORE: &str = "longshore";
/// How long a program may take until it is ready.
const START: Duration = Duration::from_secs(30);
/// What its keys in Redis begin with.
const PREFIX: &str = "bench";
/// Where its tasks wait.
const QUEUE: &str = "default";

/// An API and a scheduler, and a worker when one is started.
pub(crate) struct System<'a> {
    /// Where the API listens.
    pub(crate) address: SocketAddr,
    /// The address of its database.
    pub(crate) url: String,
    /// Connections to its database, for looking from outside.
    pub(crate) pool: PgPool,
    key: HeaderValue,
    queue: Queue,
    stage: &'a Stage,
    database: String,
    folder: PathBuf,
    processes: Vec<Process>,
}

impl<'a> System<'a> {
    /// Starts an API and a scheduler on an empty database and an empty Redis.
    pub(crate) async fn start(stage: &'a Stage) -> anyhow::Result<Self> {
        stage.clear_redis().await?;
        let (database, url) = stage.new_database().await?;
        let folder = stage.new_folder(LONGSHORE)?;
        let pool = stage.pool(&url)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let queue = Queue::open(&stage.redis_url(), PREFIX)?;
        let key = HeaderValue::from_static("");
        let mut system = Self { address, url, pool, key, queue, stage, database, folder, processes: Vec::new() };
        system.spawn("migrate", &["migrate"])?.succeeded(START).await?;
        system.make_key()?;
        let mut api = system.spawn("api", &["api", "--bind", &address.to_string()])?;
        api.ready(START, async || is_ready(address).await).await?;
        system.processes.push(api);
        let mut scheduler = system.spawn("scheduler", &["scheduler"])?;
        let folder = system.folder.join("scheduler.log");
        let leads = async || std::fs::read_to_string(&folder).is_ok_and(|log| log.contains("leading"));
        scheduler.ready(START, leads).await?;
        system.processes.push(scheduler);
        Ok(system)
    }

    /// Makes the API key that all requests carry.
    fn make_key(&mut self) -> anyhow::Result<()> {
        let made = self.command(&["keys", "create", "bench", "--all", "--direct"]).output()?;
        let key = String::from_utf8(made.stdout)?;
        ensure!(made.status.success(), "no API key: {}", String::from_utf8_lossy(&made.stderr));
        self.key = HeaderValue::from_str(&format!("Bearer {}", key.trim()))?;
        Ok(())
    }

    /// The same, with a worker.
    pub(crate) async fn start_with_worker(stage: &'a Stage) -> anyhow::Result<Self> {
        let mut system = Self::start(stage).await?;
        system.start_worker().await?;
        Ok(system)
    }

    /// A new connection to the API.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        self.target().connect().await
    }

    /// Submits one task, and gives its object.
    pub(crate) async fn submit(&self, body: serde_json::Value) -> anyhow::Result<serde_json::Value> {
        let mut connection = self.connect().await?;
        let answer = connection.send_json(Method::POST, Target::SINGLE, body.to_string()).await?;
        answer.expect(StatusCode::ACCEPTED)?.json()
    }

    /// How many tasks wait or run, by their rows.
    pub(crate) async fn waiting(&self) -> anyhow::Result<u64> {
        // Both parts have a partial index.
        let sql = "SELECT (SELECT count(*) FROM tasks WHERE state = 'queued')
            + (SELECT count(*) FROM tasks WHERE state IN ('running', 'canceling'))";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    fn spawn(&self, name: &'static str, arguments: &[&str]) -> anyhow::Result<Process> {
        Process::spawn(name, self.command(arguments), &self.folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.stage.longshore());
        // Settings of whoever runs this change nothing.
        command.args(arguments).env_clear().current_dir(&self.folder);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &self.folder);
        command.env("DATABASE_URL", &self.url).env("REDIS_URL", self.stage.redis_url());
        command.env("LONGSHORE_REDIS_PREFIX", PREFIX).env("LONGSHORE_DATA_DIR", &self.folder);
        command.env("LONGSHORE_SECRET_KEY", "the-secret-of-every-system-of-the-benchmark");
        command
    }
}

impl Subject for System<'_> {
    fn name(&self) -> &'static str {
        LONGSHORE
    }

    fn target(&self) -> Target {
        Target::new(self.address).with_key(self.key.clone())
    }

    async fn start_worker(&mut self) -> anyhow::Result<()> {
        let mut worker = self.spawn("worker", &["worker"])?;
        let pid = i64::from(worker.pid());
        let lives = async || {
            let sql = "SELECT EXISTS (SELECT FROM workers WHERE pid = $1 AND ended_at IS NULL)";
            sqlx::query_scalar(sql).bind(pid).fetch_one(&self.pool).await.unwrap_or(false)
        };
        worker.ready(START, lives).await?;
        self.processes.push(worker);
        Ok(())
    }

    async fn unfinished(&mut self, _accepted: u64) -> anyhow::Result<u64> {
        // Counting rows is work for Postgres: only when the index knows of none.
        let depth = self.queue.depth(QUEUE).await?;
        match depth.ready + depth.held {
            0 => self.waiting().await,
            known => Ok(known),
        }
    }

    async fn waits(&mut self, first: u64, _accepted: u64) -> anyhow::Result<Samples> {
        let sql = "SELECT (extract(epoch FROM started_at - queued_at) * 1000)::float8 FROM tasks
            WHERE (input ->> 'text')::bigint >= $1";
        let waits: Vec<f64> = sqlx::query_scalar(sql).bind(first.cast_signed()).fetch_all(&self.pool).await?;
        Ok(waits.into_iter().collect())
    }

    async fn span(&mut self, _last: SystemTime) -> anyhow::Result<Duration> {
        let sql = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM tasks";
        let seconds: f64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await?;
        Ok(Duration::from_secs_f64(seconds))
    }

    async fn processes(&self) -> anyhow::Result<Vec<Named>> {
        let ours = self.processes.iter().map(|process| (process.name(), process.pid()));
        Ok(ours.chain(self.stage.servers()?).collect())
    }

    async fn check(&mut self, accepted: u64) -> anyhow::Result<()> {
        oracle::check(&self.pool, accepted).await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        // Workers first: they give back what they hold.
        while let Some(process) = self.processes.pop() {
            process.stop().await?;
        }
        self.pool.close().await;
        self.stage.drop_database(&self.database).await
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address, None).await else { return false };
    connection.get("/api/v1/ready").await.is_ok()
}
