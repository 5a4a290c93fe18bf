//! `longshore doctor`: whether everything that Longshore needs is there and well, and what to do about what is not.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use jobs_core::Defect;
use jobs_queue::{Eviction, Queue};
use jobs_store::{Round, Store, StoreConfig, StoreError, WorkerRow};
use scheduler::audit::Audit;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{place, settings};

/// Scripts that may free memory when there is none are of this version.
const REDIS_MAJOR: u32 = 7;
/// The oldest Postgres that is tried.
const POSTGRES_MAJOR: i32 = 14;
/// Clocks of machines that are kept in time differ by less.
const CLOCKS: Duration = Duration::from_secs(2);
/// So many queued tasks tell which queues have work.
const OLDEST: u32 = 10_000;

/// The options of `longshore doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Put back what is out of its place, instead of only saying so
    #[arg(long)]
    repair: bool,

    /// Print JSON: {"status", "checks": [{"check", "status", "detail", "advice"}]}
    #[arg(long)]
    json: bool,
}

/// How a check went. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Fault,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    check: String,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

/// All checks.
#[derive(Debug, Serialize)]
struct Report {
    status: Status,
    checks: Vec<Check>,
}

impl Doctor {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = settings::start("doctor", place::find_servers)?;
        let url = config.database.url.as_deref().context("DATABASE_URL is not set")?;
        let store = Store::new(&StoreConfig::new(url)).context("read DATABASE_URL")?;
        let redis_url = config.redis.url.as_deref().context("REDIS_URL is not set")?;
        let queue = Queue::open(redis_url, &config.redis.prefix).context("read REDIS_URL")?;

        let mut checks = postgres(&store).await;
        let is_redis = redis(&queue, &mut checks).await;
        // Without its tables there is nothing more to ask.
        if checks.iter().all(|check| check.check != "postgres" || check.status != Status::Fault) {
            checks.extend(queues(&store).await.unwrap_or_else(|error| vec![away("queues", &error)]));
            if is_redis {
                checks.push(integrity(store.clone(), queue, self.repair).await);
            }
        }
        store.close().await;
        let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok);
        let report = Report { status, checks };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            write!(out, "{}", text(&report))?;
        }
        Ok(if status == Status::Fault { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

async fn postgres(store: &Store) -> Vec<Check> {
    let asked = std::time::Instant::now();
    let server = match store.server().await {
        Ok(server) => server,
        Err(error) => return vec![away("postgres", &error)],
    };
    let here = OffsetDateTime::from(std::time::SystemTime::now()) - asked.elapsed() / 2;
    let version = format!("version {}.{}", server.version / 10_000, server.version % 10_000);
    let mut checks = vec![if server.version / 10_000 < POSTGRES_MAJOR {
        warning("postgres", version, "Use a version that is still looked after.")
    } else if server.migrations_missing > 0 {
        let detail = format!("{version}; the database lacks {} migrations", server.migrations_missing);
        fault("postgres", detail, "Run `longshore migrate`.")
    } else {
        ok("postgres", format!("{version}, up to date"))
    }];
    checks.push(match server.synchronous_commit.as_str() {
        "off" => {
            let detail = "synchronous_commit is off: what was accepted is lost when the server crashes".to_owned();
            warning("durability", detail, "Set `synchronous_commit = on` for this database.")
        }
        set => ok("durability", format!("synchronous_commit is {set}")),
    });
    let apart = (server.now - here).unsigned_abs();
    checks.push(if apart > CLOCKS {
        let detail = format!("the clocks of Postgres and of this machine are {apart:.1?} apart");
        warning(
            "clock",
            detail,
            "Tasks go by the clock of Postgres alone; time stamps of logs will mislead. Run an NTP client.",
        )
    } else {
        ok("clock", format!("{apart:.1?} from that of Postgres"))
    });
    checks.push(if server.is_led {
        ok("scheduler", "one leads".to_owned())
    } else {
        let detail = "none leads: nothing becomes due, and nobody takes back what dead workers hold".to_owned();
        fault("scheduler", detail, "Start `longshore scheduler`.")
    });
    checks
}

/// Whether Redis is there; adds what is to say of it.
async fn redis(queue: &Queue, checks: &mut Vec<Check>) -> bool {
    let (version, eviction) = match (queue.version().await, queue.eviction().await) {
        (Ok(version), Ok(eviction)) => (version, eviction),
        (Err(error), _) | (_, Err(error)) => {
            checks.push(away("redis", &error));
            return false;
        }
    };
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    checks.push(if major.is_some_and(|major| major < REDIS_MAJOR) {
        fault("redis", format!("version {version}"), "Longshore needs Redis 7 or a server that is compatible with it.")
    } else if let Some(Eviction { policy, .. }) = eviction {
        let detail = format!("version {version}; maxmemory-policy is {policy}: it may throw away what is queued");
        warning("redis", detail, "Set `maxmemory-policy noeviction`.")
    } else {
        ok("redis", format!("version {version}, evicts nothing"))
    });
    true
}

/// Whether what waits has somebody to run it.
async fn queues(store: &Store) -> Result<Vec<Check>, StoreError> {
    let workers = store.workers().await?;
    let mut checks = vec![if workers.is_empty() {
        warning("workers", "there are none".to_owned(), "Start `longshore worker`.")
    } else {
        ok("workers", format!("{} alive", workers.len()))
    }];
    let mut queues: BTreeMap<String, u64> =
        workers.iter().flat_map(|worker| worker.queues.keys().cloned()).map(|queue| (queue, 0)).collect();
    queues.extend(store.waiting_queues(OLDEST).await?);
    for (queue, waiting) in queues {
        let serving: Vec<&WorkerRow> = workers.iter().filter(|worker| worker.queues.contains_key(&queue)).collect();
        let slots: u32 = serving.iter().filter_map(|worker| worker.queues.get(&queue)).sum();
        let name = format!("queue {queue}");
        checks.push(if serving.is_empty() {
            let detail = format!("{waiting} tasks wait, and no worker serves it");
            fault(&name, detail, "Start a worker with `--queues` that name it.")
        } else {
            ok(&name, format!("{waiting} wait, {} workers with {slots} slots serve it", serving.len()))
        });
    }
    Ok(checks)
}

/// Whether every unfinished task has its place.
async fn integrity(store: Store, queue: Queue, repair: bool) -> Check {
    let is_whole = match queue.is_whole().await {
        Ok(is_whole) => is_whole,
        Err(error) => return away("integrity", &error),
    };
    let (Round { tasks, entries, .. }, found) = match Audit::new(store, queue, repair).round().await {
        Ok(found) => found,
        Err(error) => return away("integrity", &error),
    };
    let looked = format!("{tasks} unfinished tasks and {entries} entries of the index");
    let defects: Vec<String> = found.iter().map(|(defect, count)| format!("{count} {}", defect.name())).collect();
    if found.is_empty() {
        // Without anything to be in it, an index that is not there is as good as one.
        let is_lost = !is_whole && tasks > 0;
        return if is_lost {
            let detail = format!("{looked}: each has its place, but nobody has said that the index is whole");
            warning("integrity", detail, "A leading scheduler builds it anew and says so.")
        } else {
            ok("integrity", format!("{looked}: each has its place"))
        };
    }
    let detail = format!("{looked}: {}{}", defects.join(", "), meanings(&found));
    if repair {
        warning("integrity", detail, "It is repaired. Look for the cause in the logs.")
    } else {
        fault("integrity", detail, "The leading scheduler repairs it by itself; `longshore doctor --repair` does now.")
    }
}

fn meanings(found: &BTreeMap<Defect, u64>) -> String {
    found.keys().map(|defect| format!("; {}: {}", defect.name(), defect.meaning())).collect()
}

fn check(name: &str, status: Status, detail: String, advice: Option<&'static str>) -> Check {
    Check { check: name.to_owned(), status, detail, advice }
}

fn ok(name: &str, detail: String) -> Check {
    check(name, Status::Ok, detail, None)
}

fn warning(name: &str, detail: String, advice: &'static str) -> Check {
    check(name, Status::Warning, detail, Some(advice))
}

fn fault(name: &str, detail: String, advice: &'static str) -> Check {
    check(name, Status::Fault, detail, Some(advice))
}

fn away(name: &str, error: &(dyn std::error::Error + 'static)) -> Check {
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        detail.push_str(&format!(": {error}"));
        cause = error.source();
    }
    fault(name, detail, "Look whether the server runs, and whether the address is right.")
}

/// A line a check, and what to do below those that are not well.
fn text(report: &Report) -> String {
    let width = report.checks.iter().map(|check| check.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Check { check, status, detail, advice } in &report.checks {
        let word = match status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Fault => "fault",
        };
        text.push_str(&format!("{word:<8} {check:<width$}  {detail}\n"));
        if let Some(advice) = advice {
            text.push_str(&format!("{:<8} {:<width$}  {advice}\n", "", ""));
        }
    }
    text
}
