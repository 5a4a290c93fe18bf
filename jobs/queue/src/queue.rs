//! The queue in Redis: a ring of groups, each with its own order.
//!
//! All keys of a queue share a hash tag, so that a Redis Cluster keeps them together and spreads queues:
//! `{<prefix>:q:<queue>}:ready:<group>` (ids by priority and age), `:ring` (groups that have something ready, by virtual time), `:past`
//! (groups that have just had their turns and have nothing left, by virtual time), `:held` (ids that workers took, by time), `:wake`
//! (tokens), `:vtime`. And one key for all: `<prefix>:epoch`, gone when the index is.

use std::{sync::LazyLock, time::Duration};

use jobs_core::{TaskId, Ticket};
use redis::{
    Client, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use uuid::Uuid;

static PUSH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/push.lua")));
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/claim.lua")));
static MISSING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/missing.lua")));
static STALE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/stale.lua")));

/// Redis runs one script at a time: a larger batch would keep everybody else waiting.
const BATCH: usize = 500;

/// Redis is not available, or its answer makes no sense. Try again later, or go on without.
#[derive(Debug, thiserror::Error)]
#[error("Redis is not available")]
pub struct QueueError(#[from] redis::RedisError);

impl QueueError {
    pub(crate) fn io(kind: std::io::ErrorKind) -> Self {
        Self(std::io::Error::from(kind).into())
    }
}

/// The queues of one installation. Cheap to clone; clones share their connection.
#[derive(Clone)]
pub struct Queue {
    pub(crate) client: Client,
    connection: ConnectionManager,
    prefix: String,
}

impl Queue {
    /// Queues under `prefix` at `url` (`redis://…`, `rediss://…`, `redis+unix:///…`). Connects when first used, and again
    /// whenever it has to. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn open(url: &str, prefix: &str) -> Result<Self, QueueError> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            // Callers have their own way to go on without Redis: fail soon rather than wait.
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(5)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200));
        let connection = client.get_connection_manager_lazy(config)?;
        Ok(Self { client, connection, prefix: prefix.to_owned() })
    }

    /// Puts tasks in their queues and wakes workers for them. Repeating it changes nothing.
    ///
    /// # Errors
    /// When Redis is not available; some of them may have been put.
    pub async fn push(&self, tickets: &[Ticket]) -> Result<(), QueueError> {
        let mut rest: Vec<&Ticket> = tickets.iter().collect();
        while let Some(first) = rest.first() {
            let queue = &first.queue;
            let (same, others): (Vec<&Ticket>, Vec<&Ticket>) = rest.iter().partition(|ticket| ticket.queue == *queue);
            for batch in same.chunks(BATCH) {
                let mut push = self.script(&PUSH, queue);
                for ticket in batch {
                    push.arg(ticket.task.0.as_bytes()).arg(&ticket.group).arg(ticket.priority).arg(ticket.ready_ms);
                }
                let _added: u64 = push.invoke_async(&mut self.connection.clone()).await?;
            }
            rest = others;
        }
        Ok(())
    }

    /// Takes at most `want` tasks in fair order. They are held until they are forgotten or pushed again.
    ///
    /// # Errors
    /// When Redis is not available. Tasks whose answer was lost are found by [`Queue::stale`].
    pub async fn claim(&self, queue: &str, want: usize) -> Result<Vec<TaskId>, QueueError> {
        let mut claim = self.script(&CLAIM, queue);
        let ids: Vec<Vec<u8>> = claim.arg(want.min(BATCH)).invoke_async(&mut self.connection.clone()).await?;
        Ok(read_ids(&ids))
    }

    /// Forgets tasks that were taken: they have ended, or are somebody else's.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn forget(&self, queue: &str, tasks: &[TaskId]) -> Result<(), QueueError> {
        let key = format!("{}:held", self.base(queue));
        for batch in tasks.chunks(BATCH) {
            let ids: Vec<&[u8]> = batch.iter().map(|task| task.0.as_bytes().as_slice()).collect();
            let () = redis::cmd("ZREM").arg(&key).arg(ids).query_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// Takes a task out of its place before anybody claims it.
    ///
    /// # Errors
    /// When Redis is not available; whoever claims the task will find that it does not wait any more.
    pub async fn withdraw(&self, queue: &str, group: &str, task: TaskId) -> Result<(), QueueError> {
        let key = format!("{}:ready:{group}", self.base(queue));
        let id = task.0.as_bytes().as_slice();
        let () = redis::cmd("ZREM").arg(key).arg(id).query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Those of `tickets`, queued tasks of one queue, that are neither ready nor taken since less than `age`. Wakes a
    /// worker if something is ready and nobody was told.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn missing(&self, queue: &str, tickets: &[Ticket], age: Duration) -> Result<Vec<Ticket>, QueueError> {
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let mut missing = Vec::new();
        for batch in tickets.chunks(BATCH) {
            let mut script = self.script(&MISSING, queue);
            script.arg(age_ms);
            for ticket in batch {
                script.arg(ticket.task.0.as_bytes()).arg(&ticket.group);
            }
            let numbers: Vec<usize> = script.invoke_async(&mut self.connection.clone()).await?;
            missing.extend(numbers.into_iter().filter_map(|number| batch.get(number)).cloned());
        }
        Ok(missing)
    }

    /// At most `limit` tasks of a queue that are held for longer than `age`. Each is given again after another `age`.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn stale(&self, queue: &str, age: Duration, limit: usize) -> Result<Vec<TaskId>, QueueError> {
        let mut script = self.script(&STALE, queue);
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let ids: Vec<Vec<u8>> = script.arg(age_ms).arg(limit).invoke_async(&mut self.connection.clone()).await?;
        Ok(read_ids(&ids))
    }

    /// Whether the index is there: `false` after Redis lost its data.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn is_whole(&self) -> Result<bool, QueueError> {
        let key = self.epoch_key();
        Ok(redis::cmd("EXISTS").arg(key).query_async(&mut self.connection.clone()).await?)
    }

    /// Says that the index is there: everything that is ready has been pushed.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn mark_whole(&self) -> Result<(), QueueError> {
        let epoch = Uuid::now_v7().simple().to_string();
        let () = redis::cmd("SET").arg(self.epoch_key()).arg(epoch).query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Tells everybody who watches these tasks that they changed. A word that is lost is made up for by the watcher.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn announce(&self, tasks: &[TaskId]) -> Result<(), QueueError> {
        for batch in tasks.chunks(BATCH) {
            let mut pipe = redis::pipe();
            for task in batch {
                pipe.cmd("PUBLISH").arg(self.channel(*task)).arg(1).ignore();
            }
            let () = pipe.query_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        let () = redis::cmd("PING").query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    /// Lets a client that blocks go on with nothing.
    pub(crate) async fn unblock(&self, client: u64) -> Result<(), QueueError> {
        let () = redis::cmd("CLIENT").arg("UNBLOCK").arg(client).query_async(&mut self.connection.clone()).await?;
        Ok(())
    }

    pub(crate) fn base(&self, queue: &str) -> String {
        format!("{{{}:q:{queue}}}", self.prefix)
    }

    pub(crate) fn channel(&self, task: TaskId) -> String {
        format!("{}:task:{}", self.prefix, task.0.simple())
    }

    fn epoch_key(&self) -> String {
        format!("{}:epoch", self.prefix)
    }

    fn script<'a>(&self, script: &'a Script, queue: &str) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        invocation.key(self.base(queue));
        invocation
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Members that are not ids are somebody else's: they are left alone.
fn read_ids(ids: &[Vec<u8>]) -> Vec<TaskId> {
    ids.iter().filter_map(|id| Uuid::from_slice(id).ok()).map(TaskId).collect()
}
