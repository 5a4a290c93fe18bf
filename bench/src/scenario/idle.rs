//! What a system costs that has nothing to do.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    figure::{Figure, Unit, short},
    stage::Stage,
    subject::{Subject, drained},
    system::{LONGSHORE, System},
    usage,
};

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let silence = Duration::from_secs(stage.options.size(10, 3));
    let mut system = System::start_with_worker(stage).await?;
    // Not untouched: idle again after it had work.
    system.submit(json!({ "kind": "echo", "input": {} })).await?;
    drained(&mut system, 1, Duration::from_secs(30)).await?;
    let mut redis = stage.redis(0).await?;
    // Nobody looks into its database while it rests.
    system.pool.close().await;
    tokio::time::sleep(Duration::from_secs(stage.options.size(5, 2))).await;

    let processes = system.processes().await?;
    let (commits, commands) = (committed(stage).await?, carried_out(&mut redis).await?);
    let before = usage::cpu(&processes);
    tokio::time::sleep(silence).await;
    let used = usage::between(&before, &usage::cpu(&processes));
    let commits = committed(stage).await? - commits;
    let commands = carried_out(&mut redis).await? - commands;

    let percent = |time: Duration| time.as_secs_f64() / silence.as_secs_f64() * 100.0;
    let of = |name: &str| used.get(name).copied().unwrap_or_default();
    let mut cpu = Figure::new(LONGSHORE, "idle.cpu", percent(of("api") + of("worker")), Unit::PercentOfCore);
    for (name, time) in used.iter().filter(|(name, _)| **name != "client") {
        cpu = cpu.with(&format!("{name}_percent"), short(percent(*time)));
    }
    let (mut memory, mut resident) = (Figure::new(LONGSHORE, "idle.memory", 0.0, Unit::Mebibytes), 0);
    for (name, pid) in &processes {
        let used = usage::memory(*pid);
        let mib = |kib: u64| short(kib as f64 / 1_024.0);
        memory = memory.with(&format!("{name}_mib"), mib(used.resident));
        if ["postgres", "redis"].contains(name) {
            memory = memory.with(&format!("{name}_proportional_mib"), mib(used.proportional));
        }
        if ["api", "worker"].contains(name) {
            resident += used.resident;
        }
    }
    memory.value = resident as f64 / 1_024.0;
    let a_second = |count: i64| count as f64 / silence.as_secs_f64();
    let traffic = Figure::new(LONGSHORE, "idle.statements", a_second(commits), Unit::PerSecond);
    system.stop().await?;
    Ok(vec![cpu, memory, traffic.with("redis_commands_per_second", short(a_second(commands)))])
}

/// How many transactions the databases of all systems have committed; their own sessions report within a second.
async fn committed(stage: &Stage) -> anyhow::Result<i64> {
    let mut connection = PgConnection::connect(&stage.database_url()).await?;
    let sql = "SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname LIKE 'bench%'";
    let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(count)
}

/// How many commands Redis has carried out, without this one.
async fn carried_out(redis: &mut MultiplexedConnection) -> anyhow::Result<i64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await?;
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split(',').next()?.parse::<i64>().ok()?;
        (name != "info").then_some(calls)
    };
    Ok(info.lines().filter_map(calls).sum())
}
