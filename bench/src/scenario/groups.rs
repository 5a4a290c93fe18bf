//! The backlog of `drain`, in ten thousand groups with limits.

use hyper::{Method, StatusCode};

use super::drain::{run_off, size};
use crate::{
    figure::{Figure, Unit},
    load::{Gate, Shape, Until, submit},
    stage::Stage,
    subject::Subject as _,
    system::{LONGSHORE, System},
};

/// So many tasks of a group run at once.
const CONCURRENCY: u32 = 2;

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let groups = stage.options.size(10_000, 1_000);
    let mut system = System::start(stage).await?;
    let limits = format!(r#"{{"group_defaults":{{"concurrency":{CONCURRENCY}}}}}"#);
    let mut connection = system.connect().await?;
    connection.send_json(Method::PUT, "/api/v1/queues/default", limits).await?.expect(StatusCode::OK)?;
    let target = system.target().with_extra(move |number| format!(r#","group":"g{}""#, number % groups));
    let filled = submit(&target, Shape::BATCH, 0, Until::Count(size(&stage.options)), &Gate::open()).await?;
    let mut figures = run_off(&mut system, filled.accepted, "groups.rate", "groups.cpu").await?;
    figures.push(Figure::new(
        LONGSHORE,
        "groups.fairness",
        fairness(&system, filled.accepted, groups).await?,
        Unit::Share,
    ));
    system.stop().await?;
    Ok(figures)
}

/// Jain's index of what each group had got when half of all tasks had started: 1 when all got the same (Jain, Chiu and
/// Hawe 1984).
async fn fairness(system: &System<'_>, tasks: u64, groups: u64) -> anyhow::Result<f64> {
    let sql = r#"SELECT (sum(got) ^ 2 / ($2 * sum(got ^ 2)))::float8 FROM (
            SELECT count(*)::float8 AS got
            FROM (SELECT "group" FROM tasks ORDER BY started_at, id LIMIT $1) AS first GROUP BY "group") AS share"#;
    let half = (tasks / 2).cast_signed();
    Ok(sqlx::query_scalar(sql).bind(half).bind(groups as f64).fetch_one(&system.pool).await?)
}
