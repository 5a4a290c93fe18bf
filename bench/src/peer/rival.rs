//! A peer's processes, and how to ask it what is done.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, ensure};
use sqlx::PgPool;

use super::{
    known::{Count, Done, NODE, Peer},
    tally::Tally,
};
use crate::{
    load::{Connection, Target},
    process::{LOOK, Process},
    samples::Samples,
    stage::{Stage, free_port},
    subject::Subject,
    usage::Named,
};

/// How long a program may take until it is ready.
const START: Duration = Duration::from_secs(30);
/// How long it may take to put a backlog in place.
const FILL: Duration = Duration::from_secs(120);
/// How late the last notes may be.
const NOTES: Duration = Duration::from_secs(2);
/// Where `bin/bench` installs what the peers need.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A peer that runs.
pub(crate) struct Rival<'a> {
    peer: &'static Peer,
    stage: &'a Stage,
    folder: PathBuf,
    address: SocketAddr,
    database: String,
    url: String,
    pool: PgPool,
    redis: redis::aio::MultiplexedConnection,
    tally: Tally,
    processes: Vec<Process>,
}

impl<'a> Rival<'a> {
    /// Starts its API, if it has one, on an empty Redis and an empty database.
    pub(super) async fn start(stage: &'a Stage, peer: &'static Peer) -> anyhow::Result<Self> {
        let folder = Path::new(PEERS).join(peer.name);
        let installed = ["venv", "node_modules"].iter().any(|name| folder.join(name).exists());
        ensure!(installed, "{} is not installed: run bin/bench --peers", peer.name);
        stage.clear_redis().await?;
        let (database, url) = stage.new_database().await?;
        let pool = stage.pool(&url)?;
        let database_of_redis = match peer.waiting {
            Count::Redis(number, _) => number,
            Count::Sql(_) => 0,
        };
        let mut rival = Self {
            peer,
            stage,
            address: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            database,
            url,
            pool,
            redis: stage.redis(database_of_redis).await?,
            tally: Tally::new(stage.new_folder(&format!("{}-tally", peer.name))?),
            folder,
            processes: Vec::new(),
        };
        if let Some(command) = peer.api {
            let mut api = rival.spawn("api", command, 0)?;
            let address = rival.address;
            api.ready(START, async || Connection::open(address, None).await.is_ok()).await?;
            rival.processes.push(api);
        }
        Ok(rival)
    }

    /// Puts `count` tasks in place.
    pub(super) async fn fill(&mut self, count: u64) -> anyhow::Result<()> {
        self.spawn("fill", self.peer.fill, count)?.succeeded(FILL).await?;
        let waiting = self.waiting().await?;
        ensure!(waiting == count, "of {count} tasks {waiting} wait");
        Ok(())
    }

    /// How many tasks wait that nobody has taken.
    pub(super) async fn waiting(&mut self) -> anyhow::Result<u64> {
        self.count(&self.peer.waiting).await
    }

    async fn count(&mut self, count: &Count) -> anyhow::Result<u64> {
        let number: i64 = match count {
            Count::Sql(sql) => sqlx::query_scalar(*sql).fetch_one(&self.pool).await?,
            Count::Redis(database, words) => {
                // One connection, and the two numbers that are asked for may lie in two databases.
                let mut pipe = redis::pipe();
                pipe.cmd("SELECT").arg(database).ignore();
                let [name, arguments @ ..] = words else { anyhow::bail!("an empty command") };
                pipe.cmd(name).arg(arguments);
                let (number,): (i64,) = pipe.query_async(&mut self.redis).await?;
                number
            }
        };
        Ok(number.unsigned_abs())
    }

    /// Waits for the last notes: they are written some times a second.
    async fn noted(&self, accepted: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.tally.count()? < accepted && began.elapsed() < NOTES {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn spawn(&self, name: &'static str, words: &str, count: u64) -> anyhow::Result<Process> {
        let cores = std::thread::available_parallelism()?.get();
        let fill_in = |word: &str| match word {
            "{port}" => self.address.port().to_string(),
            "{cores}" => cores.to_string(),
            "{count}" => count.to_string(),
            word => word.to_owned(),
        };
        let words: Vec<String> = words.split_whitespace().map(fill_in).collect();
        let (program, arguments) = words.split_first().context("an empty command")?;
        let program = if program == NODE { node()? } else { self.folder.join(program) };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(&self.folder);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.stage.folder());
        command.env("NODE_ENV", "production").env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("BENCH_PORT", self.address.port().to_string()).env("BENCH_CORES", cores.to_string());
        command.env("BENCH_REDIS_SOCKET", self.stage.redis_socket()?).env("BENCH_DATABASE_URL", &self.url);
        command.env("BENCH_TALLY", self.tally.folder());
        Process::spawn(name, command, &self.stage.new_folder(self.peer.name)?)
    }
}

impl Subject for Rival<'_> {
    fn name(&self) -> &'static str {
        self.peer.name
    }

    fn target(&self) -> Target {
        Target::new(self.address)
    }

    async fn start_worker(&mut self) -> anyhow::Result<()> {
        let mut worker = self.spawn("worker", self.peer.worker, 0)?;
        let log = worker.log_path();
        worker.ready(START, async || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("ready"))).await?;
        self.processes.push(worker);
        Ok(())
    }

    async fn unfinished(&mut self, accepted: u64) -> anyhow::Result<u64> {
        match &self.peer.done {
            Done::Recorded(count) => Ok(accepted.saturating_sub(self.count(count).await?)),
            Done::Left(count) => {
                // Counting rows is work for Postgres: only when all have run.
                let ran = self.tally.count()?;
                if ran < accepted { Ok(accepted - ran) } else { self.count(count).await }
            }
        }
    }

    async fn waits(&mut self, first: u64, accepted: u64) -> anyhow::Result<Samples> {
        self.noted(accepted).await?;
        self.tally.waits(first)
    }

    async fn span(&mut self, last: SystemTime) -> anyhow::Result<Duration> {
        Ok(last.duration_since(self.tally.first()?)?)
    }

    async fn processes(&self) -> anyhow::Result<Vec<Named>> {
        let theirs = self.processes.iter().map(|process| (process.name(), process.pid()));
        Ok(theirs.chain(self.stage.servers()?).collect())
    }

    async fn check(&mut self, accepted: u64) -> anyhow::Result<()> {
        let left = self.unfinished(accepted).await?;
        ensure!(left == 0, "of {accepted} tasks {left} are not recorded");
        self.noted(accepted).await?;
        self.tally.check(accepted)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        // What they do to end well is none of our business.
        self.processes.clear();
        self.pool.close().await;
        self.stage.drop_database(&self.database).await
    }
}

/// The Node.js that is pinned for all peers.
fn node() -> anyhow::Result<PathBuf> {
    let modules = Path::new(PEERS).join("node/node_modules");
    let installed = std::fs::read_dir(&modules).context("Node.js is not installed: run bin/bench --peers")?;
    let program = installed.filter_map(|entry| Some(entry.ok()?.path().join("bin/node"))).find(|path| path.exists());
    program.with_context(|| format!("there is no Node.js in {}", modules.display()))
}
