//! A closed loop that reads.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::try_join_all;
use hyper::{
    Method, StatusCode,
    header::{HeaderValue, IF_NONE_MATCH},
};

use super::Target;
use crate::samples::Samples;

/// So many connections read at once.
const CONNECTIONS: usize = 64;

/// Reads `resources` (path, and the version that the client has) in turns for `time`. Every answer must have `status`.
/// Gives the answers a second, and how long each took.
pub(crate) async fn read(
    target: &Target,
    resources: &[(String, Option<HeaderValue>)],
    status: StatusCode,
    time: Duration,
) -> anyhow::Result<(f64, Samples)> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(target.connect().await?);
    }
    let (next, times) = (Cell::new(0_usize), RefCell::new(Samples::default()));
    let began = Instant::now();
    try_join_all(connections.into_iter().map(async |mut connection| {
        while began.elapsed() < time {
            let (path, version) = &resources[next.replace(next.get() + 1) % resources.len()];
            let mut request = connection.request(Method::GET, path, Bytes::new())?;
            if let Some(version) = version {
                request.headers_mut().insert(IF_NONE_MATCH, version.clone());
            }
            let asked = Instant::now();
            connection.send(request).await?.expect(status)?;
            times.borrow_mut().add(asked.elapsed());
        }
        anyhow::Ok(())
    }))
    .await?;
    let times = times.into_inner();
    Ok((times.len() as f64 / began.elapsed().as_secs_f64(), times))
}
