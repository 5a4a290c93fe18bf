//! A whole system of processes on a database of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use jobs_queue::Queue;
use tempfile::TempDir;

use crate::{
    ADMIN_KEY, Client, Database, Executions, Fault, Process, SECRET_KEY, Servers, executions, oracle, programs,
    wait::eventually,
};

/// How long a process may take until it is ready, on a machine that has other things to do.
const START: Duration = Duration::from_secs(30);

/// What a system is to be like.
#[derive(Debug, Default)]
pub struct Builder {
    servers: Option<Arc<Servers>>,
    workers: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
    without_api: bool,
    without_scheduler: bool,
}

impl Builder {
    /// On these servers; else on the shared ones.
    #[must_use]
    pub fn on(mut self, servers: &Arc<Servers>) -> Self {
        self.servers = Some(servers.clone());
        self
    }

    /// With a worker for these queues; may be said more than once. Else there is none.
    #[must_use]
    pub fn worker(mut self, queues: &str) -> Self {
        self.workers.push(queues.to_owned());
        self
    }

    /// With this variable in every process.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With its data and logs in this folder, which stays; else in one that goes with the system.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Without an API.
    #[must_use]
    pub fn without_api(mut self) -> Self {
        self.without_api = true;
        self
    }

    /// Without a scheduler.
    #[must_use]
    pub fn without_scheduler(mut self) -> Self {
        self.without_scheduler = true;
        self
    }

    /// Starts everything, and returns when all of it is ready.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(self) -> System {
        let database = Database::new(&self.servers.unwrap_or_else(Servers::shared)).await;
        let temporary = self.dir.is_none().then(|| tempfile::tempdir().expect("a folder"));
        let dir = self.dir.or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned())).expect("a folder");
        let mut system = System {
            client: Client::new(""),
            workers: Vec::new(),
            api: None,
            scheduler: None,
            prefix: prefix(),
            env: self.env,
            database,
            dir,
            _temporary: temporary,
        };
        if !self.without_api {
            system.start_api().await;
        }
        if !self.without_scheduler {
            system.start_scheduler().await;
        }
        for queues in &self.workers {
            system.start_worker(queues).await;
        }
        system
    }
}

/// Processes on a database and a prefix in Redis of their own.
#[derive(Debug)]
pub struct System {
    /// A client of its API.
    pub client: Client,
    /// Its workers, in the order of their start.
    pub workers: Vec<Process>,
    /// Its API.
    pub api: Option<Process>,
    /// Its scheduler.
    pub scheduler: Option<Process>,
    /// What its keys in Redis begin with.
    pub prefix: String,
    env: Vec<(String, String)>,
    // Behind the processes, which use them.
    /// Its database.
    pub database: Database,
    dir: PathBuf,
    _temporary: Option<TempDir>,
}

impl System {
    /// What a system is to be like.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// An API, a scheduler and one worker with `queues`.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn with_worker(queues: &str) -> Self {
        Self::builder().worker(queues).start().await
    }

    /// The folder of its data.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The servers that it runs on.
    #[must_use]
    pub fn servers(&self) -> &Arc<Servers> {
        self.database.servers()
    }

    /// A `longshore` command in the environment of this system and in no other.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::longshore());
        command.args(arguments).env_clear().current_dir(&self.dir);
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &self.dir);
        command.env("DATABASE_URL", &self.database.url).env("REDIS_URL", self.servers().redis_url());
        command.env("LONGSHORE_REDIS_PREFIX", &self.prefix).env("LONGSHORE_DATA_DIR", &self.dir);
        command.env("LONGSHORE_LOG_FORMAT", "json").env("LONGSHORE_LOG_LEVEL", executions::LOG_LEVEL);
        command.env("LONGSHORE_URL", &self.client.url).env("LONGSHORE_API_KEY", &self.client.key);
        command.env("LONGSHORE_ADMIN_KEY", ADMIN_KEY).env("LONGSHORE_SECRET_KEY", SECRET_KEY);
        command.envs(self.env.iter().cloned());
        command
    }

    fn spawn(&self, name: &str, arguments: &[&str], env: &[(&str, &str)]) -> Process {
        let mut command = self.command(arguments);
        command.envs(env.iter().copied());
        Process::spawn(name, command, self.dir.join(format!("{name}.log")))
    }

    /// Starts the API, on a free port, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_api(&mut self) {
        self.start_api_with(&[]).await;
    }

    /// The same, with variables of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_api_with(&mut self, env: &[(&str, &str)]) {
        // Between the choice of a port and its use another process may take it.
        for _ in 0..3 {
            let port =
                TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
            let bind = format!("127.0.0.1:{port}");
            self.client = Client::new(format!("http://{bind}"));
            if self.try_start_api(env).await {
                return;
            }
        }
        panic!("no free port");
    }

    /// Starts the API again where it was, for clients that know its address, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_api(&mut self) {
        assert!(self.try_start_api(&[]).await, "somebody else took the port of the API");
    }

    /// Starts the API at the address of the client; `false` when somebody else has its port.
    async fn try_start_api(&mut self, env: &[(&str, &str)]) -> bool {
        let bind = self.client.url.strip_prefix("http://").expect("the address of the API").to_owned();
        let mut api = self.spawn("api", &["api", "--bind", &bind], env);
        let client = self.client.clone();
        let is_up = eventually("the API is ready", START, async || {
            if !api.is_alive() {
                return Some(false);
            }
            let ready = client.try_send(client.request(reqwest::Method::GET, "/ready")).await;
            ready.is_ok_and(|ready| ready.status.is_success()).then_some(true)
        })
        .await;
        assert!(is_up || api.log().contains("ddress already in use"), "the API ended:\n{}", api.log());
        self.api = is_up.then_some(api);
        is_up
    }

    /// Starts the scheduler and waits until it leads.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_scheduler(&mut self) {
        self.start_scheduler_with(&[]).await;
    }

    /// The same, with variables of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_scheduler_with(&mut self, env: &[(&str, &str)]) {
        let mut scheduler = self.spawn("scheduler", &["scheduler"], env);
        eventually("the scheduler leads", START, async || {
            assert!(scheduler.is_alive(), "the scheduler ended:\n{}", scheduler.log());
            scheduler.log().contains(r#""message":"leading""#).then_some(())
        })
        .await;
        self.scheduler = Some(scheduler);
    }

    /// Starts a worker for `queues` and waits until it is registered. Gives its place in `workers`.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_worker(&mut self, queues: &str) -> usize {
        self.start_worker_with(queues, &[]).await
    }

    /// The same, with variables of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_worker_with(&mut self, queues: &str, env: &[(&str, &str)]) -> usize {
        let place = self.spawn_worker(queues, env);
        let worker = &mut self.workers[place];
        let pid = i64::from(worker.pid());
        eventually("the worker is registered", START, async || {
            assert!(worker.is_alive(), "the worker ended:\n{}", worker.log());
            let sql = "SELECT EXISTS (SELECT FROM workers WHERE pid = $1 AND ended_at IS NULL)";
            let known: Result<bool, _> = sqlx::query_scalar(sql).bind(pid).fetch_one(&self.database.pool).await;
            known.unwrap_or(false).then_some(())
        })
        .await;
        place
    }

    /// Starts a worker for `queues` and does not wait for anything. Gives its place in `workers`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn_worker(&mut self, queues: &str, env: &[(&str, &str)]) -> usize {
        let name = format!("worker-{}", self.workers.len() + 1);
        let worker = self.spawn(&name, &["worker", "--queues", queues, "--name", &name], env);
        self.workers.push(worker);
        self.workers.len() - 1
    }

    /// The queues as its processes see them.
    ///
    /// # Panics
    /// Never: the address of Redis is one that was used before.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue::open(self.servers().redis_url(), &self.prefix).expect("the address of Redis")
    }

    /// A connection to Redis.
    ///
    /// # Panics
    /// When there is none.
    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.servers().redis_url()).expect("the address of Redis");
        client.get_multiplexed_async_connection().await.expect("Redis")
    }

    /// The place of the worker that holds a task, once there is one.
    ///
    /// # Panics
    /// When nobody holds it within `bound`.
    pub async fn holder(&mut self, id: &str, bound: Duration) -> usize {
        let uuid = id.parse::<jobs_core::TaskId>().expect("an id").0;
        let pid: i32 = eventually("somebody runs the task", bound, async || {
            let sql =
                "SELECT w.pid FROM tasks t JOIN workers w ON w.id = t.worker WHERE t.id = $1 AND t.state = 'running'";
            sqlx::query_scalar(sql).bind(uuid).fetch_optional(&self.database.pool).await.expect("the rows")
        })
        .await;
        let place = self.workers.iter().position(|worker| worker.pid() == pid.unsigned_abs());
        place.expect("the holder is one of the workers")
    }

    /// What its workers say they ran until now.
    ///
    /// # Panics
    /// When their logs cannot be read.
    #[must_use]
    pub fn executions(&self) -> Executions {
        Executions::read(&self.dir)
    }

    /// Everything that is wrong with the rows, and everything in which they and the workers disagree.
    ///
    /// # Panics
    /// When Postgres cannot be asked.
    pub async fn faults(&self, accepted: &[String]) -> Vec<Fault> {
        let mut faults = oracle::faults(&self.database.pool, accepted).await;
        faults.extend(oracle::contradictions(&self.database.pool, &self.executions()).await);
        faults
    }

    /// Checks that the promise was kept, by the rows and by what the workers ran.
    ///
    /// # Panics
    /// With everything that is wrong.
    pub async fn holds(&self, accepted: &[String]) {
        let faults = self.faults(accepted).await;
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{} faults:\n{}", lines.len(), lines.join("\n"));
    }
}

fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}
