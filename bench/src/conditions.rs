//! What the figures hold under: machine, versions, durability.

use std::{
    fmt,
    fs::{self, File},
    io::{Seek as _, Write as _},
    time::Instant,
};

use anyhow::Context as _;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{samples::Samples, stage::Stage};

/// The conditions of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Conditions {
    cpu: String,
    cores: usize,
    kernel: String,
    /// Runnable processes in the last minute before the run.
    load: String,
    longshore: String,
    build: &'static str,
    postgres: String,
    redis: String,
    /// The settings of Postgres that decide what a commit promises.
    durability: Vec<String>,
    redis_durability: String,
    /// The median of a write of 8 KiB with fdatasync in the data folder, in milliseconds.
    fdatasync_ms: f64,
    quick: bool,
    seconds: u64,
}

impl Conditions {
    pub(crate) async fn look(stage: &Stage) -> anyhow::Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let mut postgres = PgConnection::connect(&stage.database_url()).await?;
        let mut durability = Vec::new();
        for name in ["synchronous_commit", "fsync", "full_page_writes", "wal_sync_method"] {
            durability.push(format!("{name}={}", show(&mut postgres, name).await?));
        }
        let version = show(&mut postgres, "server_version").await?;
        postgres.close().await?;
        let mut redis = stage.redis(0).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
        let redis_version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("?");
        let mut redis_durability = String::new();
        for name in ["appendonly", "save"] {
            let (_, value): (String, String) =
                redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut redis).await?;
            redis_durability.push_str(&format!("{name}={} ", if value.is_empty() { "none" } else { &value }));
        }
        let longshore = std::process::Command::new(stage.longshore()).arg("--version").output()?;
        Ok(Self {
            cpu: model.map_or("?", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or("?").to_owned(),
            longshore: String::from_utf8_lossy(&longshore.stdout).trim().to_owned(),
            build: if cfg!(debug_assertions) { "debug: figures mean nothing" } else { "release" },
            postgres: version,
            redis: redis_version.to_owned(),
            durability,
            redis_durability: redis_durability.trim_end().to_owned(),
            fdatasync_ms: fdatasync_ms(stage)?,
            quick: stage.options.quick,
            seconds: stage.options.window().as_secs(),
        })
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cores of {}, Linux {}, load {}", self.cores, self.cpu, self.kernel, self.load)?;
        writeln!(f, "{} ({}), Postgres {}, Redis {}", self.longshore, self.build, self.postgres, self.redis)?;
        writeln!(f, "Postgres: {}; a write with fdatasync takes {} ms", self.durability.join(" "), self.fdatasync_ms)?;
        writeln!(f, "Redis: {}; client, servers and systems share the cores", self.redis_durability)?;
        let quick = if self.quick { " (quick: small numbers, not for comparison)" } else { "" };
        writeln!(f, "Each rate is measured for {} s{quick}", self.seconds)
    }
}

async fn show(connection: &mut PgConnection, name: &str) -> anyhow::Result<String> {
    Ok(sqlx::query_scalar(AssertSqlSafe(format!("SHOW {name}"))).fetch_one(connection).await?)
}

/// What the disk under the data promises, and how fast: the floor of every commit that is alone.
fn fdatasync_ms(stage: &Stage) -> anyhow::Result<f64> {
    let path = stage.folder().join("fdatasync");
    let mut file = File::create(&path).context("probe the disk")?;
    let page = [7_u8; 8_192];
    let mut times = Samples::default();
    for _ in 0..50 {
        let began = Instant::now();
        file.rewind()?;
        file.write_all(&page)?;
        file.sync_data()?;
        times.add(began.elapsed());
    }
    fs::remove_file(path)?;
    Ok(crate::figure::short(times.quantile(0.5)))
}
