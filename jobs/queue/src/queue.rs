//! The queue in Redis: a ring of groups, each with its own order and its own limits.
//!
//! All keys of a queue share a hash tag, so that a Redis Cluster keeps them together and spreads queues. Under `{<prefix>:q:<queue>}`:
//!
//! | key | type | holds |
//! | --- | --- | --- |
//! | `:ready:<group>` | sorted set | ids, by the time they became ready less what their priority is worth |
//! | `:depth` | number | how many ids are ready |
//! | `:ring` | sorted set | groups that have something ready and may start it, by virtual time |
//! | `:past` | sorted set | groups that are not in the ring but had turns lately, by virtual time |
//! | `:parked` | set | groups that have something ready and as much running as they may |
//! | `:later` | sorted set | groups that have something ready and a rate, by when the next one may start |
//! | `:held` | sorted set | what workers took (the id and its group behind it), by when |
//! | `:running` | hash | how many of a group are held |
//! | `:spent` | sorted set | what has a rate, by when all that was started would have been started evenly |
//! | `:full` | flag | the queue itself has as much running as it may, and more is ready |
//! | `:limits` | hash | settings as JSON: `queue`, `groups` for all groups, `group:<group>` for one |
//! | `:wake` | list | tokens; each wakes one worker |
//! | `:vtime` | number | the present, in virtual time |
//!
//! A group is called by its [`GroupKey`]: groups of two projects never meet.
//!
//! And for all queues together `<prefix>:epoch`, which is gone when the index is; the channels `<prefix>:changed` and `<prefix>:new`,
//! which say the ids of tasks that changed and of those that were accepted; and `{<prefix>:rate:<who>}:<bucket>`, by when all that
//! somebody asked for would have been asked evenly. `{<prefix>:host:<host>}` is of foreign hosts: see [`Manners`](crate::Manners).

use std::time::Duration;

use jobs_core::{TaskId, Ticket, limits::AGING_MS};
use redis::{
    Client, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{
    metrics, script,
    taken::{Taken, Turn},
};

/// Redis runs one script at a time: a larger batch would keep everybody else waiting.
pub(crate) const BATCH: usize = 500;

/// Redis is not available, or its answer makes no sense. Try again later, or go on without.
#[derive(Debug, thiserror::Error)]
#[error("Redis is not available")]
pub struct QueueError(#[source] redis::RedisError);

impl QueueError {
    pub(crate) fn io(kind: std::io::ErrorKind) -> Self {
        redis::RedisError::from(std::io::Error::from(kind)).into()
    }
}

impl From<redis::RedisError> for QueueError {
    fn from(error: redis::RedisError) -> Self {
        metrics::count(&error);
        Self(error)
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
        self.put(tickets, true).await
    }

    /// As [`Queue::push`], for tasks that nobody can have taken yet.
    ///
    /// # Errors
    /// When Redis is not available; some of them may have been put.
    pub async fn push_new(&self, tickets: &[Ticket]) -> Result<(), QueueError> {
        self.put(tickets, false).await
    }

    async fn put(&self, tickets: &[Ticket], may_be_held: bool) -> Result<(), QueueError> {
        let mut rest: Vec<&Ticket> = tickets.iter().collect();
        while let Some(first) = rest.first() {
            let queue = &first.queue;
            let (same, others): (Vec<&Ticket>, Vec<&Ticket>) = rest.iter().partition(|ticket| ticket.queue == *queue);
            for batch in same.chunks(BATCH) {
                let mut push = self.script(&script::PUSH, queue);
                push.arg(AGING_MS).arg(u8::from(may_be_held));
                for ticket in batch {
                    push.arg(ticket.task.0.as_bytes())
                        .arg(ticket.group.as_str())
                        .arg(ticket.priority)
                        .arg(ticket.ready_ms);
                }
                let _added: u64 = push.invoke_async(&mut self.connection()).await?;
            }
            rest = others;
        }
        Ok(())
    }

    /// Takes at most `want` tasks in fair order. They are held until they are forgotten or pushed again.
    ///
    /// # Errors
    /// When Redis is not available. Tasks whose answer was lost are found by [`Queue::stale`].
    pub async fn claim(&self, queue: &str, want: usize) -> Result<Turn, QueueError> {
        let mut claim = self.script(&script::CLAIM, queue);
        claim.arg(want.min(BATCH));
        let (wait_ms, entries): (i64, Vec<Vec<u8>>) = claim.invoke_async(&mut self.connection()).await?;
        let again = u64::try_from(wait_ms).ok().map(Duration::from_millis);
        Ok(Turn { taken: entries.iter().filter_map(|entry| Taken::read(entry)).collect(), again })
    }

    /// Forgets tasks that were taken: they have ended, or are somebody else's.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn forget(&self, queue: &str, taken: &[Taken]) -> Result<(), QueueError> {
        for batch in taken.chunks(BATCH) {
            let mut forget = self.script(&script::FORGET, queue);
            for taken in batch {
                forget.arg(taken.entry());
            }
            let () = forget.invoke_async(&mut self.connection()).await?;
        }
        Ok(())
    }

    /// Says that workers hold these tasks of a queue: an index that was lost did not know.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn hold(&self, queue: &str, taken: &[Taken]) -> Result<(), QueueError> {
        for batch in taken.chunks(BATCH) {
            let mut hold = self.script(&script::HOLD, queue);
            for taken in batch {
                hold.arg(taken.task.0.as_bytes()).arg(taken.group.as_str());
            }
            let () = hold.invoke_async(&mut self.connection()).await?;
        }
        Ok(())
    }

    /// Takes tasks out of their places before anybody claims them.
    ///
    /// # Errors
    /// When Redis is not available; whoever claims one of them will find that it does not wait any more.
    pub async fn withdraw(&self, queue: &str, tasks: &[Taken]) -> Result<(), QueueError> {
        for batch in tasks.chunks(BATCH) {
            let mut withdraw = self.script(&script::WITHDRAW, queue);
            for Taken { task, group } in batch {
                withdraw.arg(task.0.as_bytes()).arg(group.as_str());
            }
            let () = withdraw.invoke_async(&mut self.connection()).await?;
        }
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
            let mut script = self.script(&script::MISSING, queue);
            script.arg(age_ms);
            for ticket in batch {
                script.arg(ticket.task.0.as_bytes()).arg(ticket.group.as_str());
            }
            let numbers: Vec<usize> = script.invoke_async(&mut self.connection()).await?;
            missing.extend(numbers.into_iter().filter_map(|number| batch.get(number)).cloned());
        }
        Ok(missing)
    }

    /// At most `limit` tasks of a queue that are held for longer than `age`. Each is given again after another `age`.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn stale(&self, queue: &str, age: Duration, limit: usize) -> Result<Vec<Taken>, QueueError> {
        let mut script = self.script(&script::STALE, queue);
        let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let entries: Vec<Vec<u8>> = script.arg(age_ms).arg(limit).invoke_async(&mut self.connection()).await?;
        Ok(entries.iter().filter_map(|entry| Taken::read(entry)).collect())
    }

    /// Tells everybody who watches these tasks that they changed. A word that is lost is made up for by the watcher.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn announce(&self, tasks: &[TaskId]) -> Result<(), QueueError> {
        self.publish(&self.channel(), tasks).await
    }

    /// Tells everybody who wants to hear of every task that these were accepted. Mostly that is nobody.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn announce_new(&self, tasks: &[TaskId]) -> Result<(), QueueError> {
        self.publish(&self.new_channel(), tasks).await
    }

    async fn publish(&self, channel: &str, tasks: &[TaskId]) -> Result<(), QueueError> {
        for batch in tasks.chunks(BATCH) {
            let ids: Vec<u8> = batch.iter().flat_map(|task| *task.0.as_bytes()).collect();
            let () = redis::cmd("PUBLISH").arg(channel).arg(ids).query_async(&mut self.connection()).await?;
        }
        Ok(())
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        let () = redis::cmd("PING").query_async(&mut self.connection()).await?;
        Ok(())
    }

    /// Lets a client that blocks go on with nothing.
    pub(crate) async fn unblock(&self, client: u64) -> Result<(), QueueError> {
        let () = redis::cmd("CLIENT").arg("UNBLOCK").arg(client).query_async(&mut self.connection()).await?;
        Ok(())
    }

    pub(crate) fn base(&self, queue: &str) -> String {
        format!("{{{}:q:{queue}}}", self.prefix)
    }

    /// One hash tag for all buckets of somebody: they are counted together.
    pub(crate) fn bucket(&self, who: &str, name: &str) -> String {
        format!("{{{}:rate:{who}}}:{name}", self.prefix)
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn channel(&self) -> String {
        format!("{}:changed", self.prefix)
    }

    pub(crate) fn new_channel(&self) -> String {
        format!("{}:new", self.prefix)
    }

    pub(crate) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    pub(crate) fn epoch_key(&self) -> String {
        format!("{}:epoch", self.prefix)
    }

    pub(crate) fn script<'a>(&self, script: &'a Script, queue: &str) -> ScriptInvocation<'a> {
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
