//! An open loop: a task at each tick of a clock, however long the one before takes.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use hyper::{Method, StatusCode};
use tokio::time::{Instant, sleep_until};

use super::{Connection, Target};

/// Submits `count` tasks numbered from `first`, `rate` a second. A submission that finds no free connection opens one, so
/// that a slow answer delays no other.
pub(crate) async fn paced(target: &Target, first: u64, count: u64, rate: f64) -> anyhow::Result<()> {
    let mut free = vec![target.connect().await?];
    let mut flying = FuturesUnordered::new();
    let began = Instant::now();
    for number in 0..count {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        // Answers are taken in while it waits.
        loop {
            tokio::select! {
                biased;
                Some(answered) = flying.next(), if !flying.is_empty() => free.push(answered?),
                () = sleep_until(due) => break,
            }
        }
        let connection = match free.pop() {
            Some(connection) => connection,
            None => target.connect().await?,
        };
        flying.push(submit_one(connection, target.task(first + number)));
    }
    while let Some(answered) = flying.next().await {
        answered?;
    }
    Ok(())
}

async fn submit_one(mut connection: Connection, task: String) -> anyhow::Result<Connection> {
    let answer = connection.send_json(Method::POST, Target::SINGLE, task).await?;
    answer.expect(StatusCode::ACCEPTED)?;
    Ok(connection)
}
