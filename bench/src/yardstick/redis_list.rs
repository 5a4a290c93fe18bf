//! A queue as simple as Redis allows: a list, a consumer that moves each id aside and removes it when it is done. Nothing is
//! recorded, nothing is durable, nothing is fair.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;
use redis::aio::MultiplexedConnection;

use super::REDIS;
use crate::{
    figure::{Figure, Unit},
    samples::Samples,
    stage::Stage,
};

const READY: &str = "bench:ready";
const TAKEN: &str = "bench:taken";
/// So many producers share a connection.
const PRODUCERS: u64 = 64;

pub(crate) async fn redis_list(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let count = stage.options.size(100_000, 10_000);
    stage.clear_redis().await?;
    let (producer, mut consumer) = (stage.redis(0).await?, stage.redis(0).await?);

    let began = Instant::now();
    try_join_all((0..PRODUCERS).map(|first| push(producer.clone(), first, count))).await?;
    let pushed = count as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    for _ in 0..count {
        ensure!(consume(&mut consumer).await?.is_some(), "an id is lost");
    }
    let consumed = count as f64 / began.elapsed().as_secs_f64();
    let left: u64 = redis::cmd("LLEN").arg(TAKEN).query_async(&mut consumer).await?;
    ensure!(left == 0, "{left} ids are left");

    let mut figures = vec![
        Figure::new(REDIS, "redis.push", pushed, Unit::PerSecond).with("producers", PRODUCERS),
        Figure::new(REDIS, "redis.consume", consumed, Unit::PerSecond),
    ];
    let mut trips = ping_pong(producer, consumer, stage.options.size(1_000, 100)).await?;
    figures.extend(trips.figures(REDIS, "redis.pingpong.p50", "redis.pingpong.p99"));
    Ok(figures)
}

async fn push(mut redis: MultiplexedConnection, first: u64, count: u64) -> anyhow::Result<()> {
    for number in (first..count).step_by(usize::try_from(PRODUCERS)?) {
        let () = redis::cmd("LPUSH").arg(READY).arg(number).query_async(&mut redis).await?;
    }
    Ok(())
}

async fn consume(redis: &mut MultiplexedConnection) -> anyhow::Result<Option<u64>> {
    let mut take = redis::cmd("BLMOVE");
    let id: Option<u64> = take.arg(READY).arg(TAKEN).arg("RIGHT").arg("LEFT").arg(5).query_async(redis).await?;
    let () = redis::cmd("LREM").arg(TAKEN).arg(1).arg(id).query_async(redis).await?;
    Ok(id)
}

/// How long it takes until somebody who waits has what is pushed.
async fn ping_pong(
    mut producer: MultiplexedConnection,
    mut consumer: MultiplexedConnection,
    rounds: u64,
) -> anyhow::Result<Samples> {
    let mut trips = Samples::default();
    for round in 0..rounds {
        let push = async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let pushed = Instant::now();
            let () = redis::cmd("LPUSH").arg(READY).arg(round).query_async(&mut producer).await?;
            anyhow::Ok(pushed)
        };
        let take = async {
            let id: Option<u64> = redis::cmd("BLMOVE")
                .arg(READY)
                .arg(TAKEN)
                .arg("RIGHT")
                .arg("LEFT")
                .arg(5)
                .query_async(&mut consumer)
                .await?;
            ensure!(id == Some(round), "an id is lost");
            Ok(Instant::now())
        };
        let (pushed, taken) = tokio::try_join!(push, take)?;
        trips.add(taken - pushed);
    }
    Ok(trips)
}
