//! A closed loop: each connection submits as soon as its last request was answered.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use anyhow::bail;
use futures::future::try_join_all;
use hyper::{Method, StatusCode};
use tokio::sync::Notify;

use super::{Connection, Target};
use crate::samples::Samples;

/// How long a connection waits when it is told that there is too much.
const BACK_OFF: Duration = Duration::from_millis(5);
/// How long a system may refuse before the run is given up.
const REFUSAL_LIMIT: Duration = Duration::from_secs(20);

/// How tasks are submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// So many connections at once.
    pub(crate) connections: usize,
    /// So many tasks a request, in an array; or one alone.
    pub(crate) batch: Option<u64>,
}

impl Shape {
    /// One task a request over 64 connections.
    pub(crate) const SINGLE: Self = Self { connections: 64, batch: None };
    /// A thousand tasks a request over four connections.
    pub(crate) const BATCH: Self = Self { connections: 4, batch: Some(1_000) };
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// When so many tasks are submitted.
    Count(u64),
    /// After so long.
    Time(Duration),
}

/// How far the load may run ahead of the system.
#[derive(Debug)]
pub(crate) struct Gate {
    allowed: Cell<u64>,
    accepted: Cell<u64>,
    opened: Notify,
}

impl Gate {
    /// As far as it likes.
    pub(crate) fn open() -> Self {
        Self::new(u64::MAX)
    }

    /// Up to `allowed` tasks in all, until more is allowed.
    pub(crate) fn new(allowed: u64) -> Self {
        Self { allowed: Cell::new(allowed), accepted: Cell::new(0), opened: Notify::new() }
    }

    /// Allows up to so many tasks in all.
    pub(crate) fn allow(&self, allowed: u64) {
        self.allowed.set(allowed);
        self.opened.notify_waiters();
    }

    /// So many tasks were accepted until now.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// Waits until task `number` is allowed, or there is no time left. Gives whether it is.
    async fn pass(&self, number: u64, deadline: Instant) -> bool {
        while number >= self.allowed.get() {
            let opened = self.opened.notified();
            if tokio::time::timeout_at(deadline.into(), opened).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// So many tasks were accepted.
    pub(crate) accepted: u64,
    /// So many requests were refused as too many, and repeated.
    pub(crate) refused: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// How long each request took.
    pub(crate) times: Samples,
}

/// Submits tasks, numbered from `first`. An answer that is neither an acceptance nor a refusal for now is an error.
pub(crate) async fn submit(
    target: &Target,
    shape: Shape,
    first: u64,
    until: Until,
    gate: &Gate,
) -> anyhow::Result<Loaded> {
    let mut connections = Vec::with_capacity(shape.connections);
    for _ in 0..shape.connections {
        connections.push(target.connect().await?);
    }
    let began = Instant::now();
    let (limit, deadline) = match until {
        Until::Count(count) => (count, began + Duration::from_secs(600)),
        Until::Time(time) => (u64::MAX, began + time),
    };
    let run = Run {
        target,
        shape,
        first,
        limit,
        deadline,
        gate,
        next: Cell::new(0),
        refused: Cell::new(0),
        times: RefCell::default(),
    };
    try_join_all(connections.into_iter().map(|connection| run.submit(connection))).await?;
    let (refused, times) = (run.refused.get(), run.times.take());
    Ok(Loaded { accepted: gate.accepted(), refused, elapsed: began.elapsed(), times })
}

/// What all connections share.
struct Run<'a> {
    target: &'a Target,
    shape: Shape,
    first: u64,
    limit: u64,
    deadline: Instant,
    gate: &'a Gate,
    next: Cell<u64>,
    refused: Cell<u64>,
    times: RefCell<Samples>,
}

impl Run<'_> {
    async fn submit(&self, mut connection: Connection) -> anyhow::Result<()> {
        let path = if self.shape.batch.is_some() { Target::BATCH } else { Target::SINGLE };
        loop {
            let number = self.next.get();
            let count = self.shape.batch.unwrap_or(1).min(self.limit - number);
            if count == 0 || Instant::now() >= self.deadline {
                return Ok(());
            }
            self.next.set(number + count);
            if !self.gate.pass(number + count - 1, self.deadline).await {
                return Ok(());
            }
            let body = self.target.body(self.first + number, count, self.shape.batch.is_some());
            let first_try = Instant::now();
            loop {
                let request = connection.request(Method::POST, path, body.clone())?;
                let asked = Instant::now();
                let answer = connection.send(request).await?;
                match answer.status {
                    StatusCode::ACCEPTED => {
                        self.times.borrow_mut().add(asked.elapsed());
                        self.gate.accepted.set(self.gate.accepted.get() + count);
                        break;
                    }
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                        self.refused.set(self.refused.get() + 1);
                        if first_try.elapsed() > REFUSAL_LIMIT {
                            bail!("refused for {REFUSAL_LIMIT:?}: {}", String::from_utf8_lossy(&answer.body));
                        }
                        tokio::time::sleep(BACK_OFF).await;
                    }
                    _ => drop(answer.expect(StatusCode::ACCEPTED)?),
                }
            }
        }
    }
}
