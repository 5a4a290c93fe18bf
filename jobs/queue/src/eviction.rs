//! Eviction: whether Redis may throw keys away that it was told to keep.
//!
//! The index is rebuilt when it is lost as a whole, and the dispatcher finds what is missing from it. A server that evicts makes
//! that the normal course of things: tasks start late, and rounds through all rows never end. So everybody who starts says so.

use std::time::Duration;

use tracing::error;

use crate::{Queue, QueueError};

/// The policy that evicts nothing: a server without room refuses instead.
const SAFE: &str = "noeviction";
/// A server that is not there is asked again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// How a server evicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    /// The policy, as Redis calls it: `allkeys-lru`, for instance.
    pub policy: String,
    /// The memory from which on it evicts, in bytes; none is all that the machine has.
    pub maxmemory_bytes: Option<u64>,
}

impl Eviction {
    /// Reads the answer to `INFO memory`, which servers give that hide their configuration, too. `None` when nothing is evicted, or
    /// the server does not say: an older one, or one of another make.
    fn read(info: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
        };
        let policy = value("maxmemory_policy").filter(|policy| *policy != SAFE)?.to_owned();
        let maxmemory_bytes = value("maxmemory").and_then(|bytes| bytes.parse().ok()).filter(|bytes| *bytes > 0);
        Some(Self { policy, maxmemory_bytes })
    }
}

impl Queue {
    /// How Redis evicts, if it does.
    ///
    /// # Errors
    /// When it is not available.
    pub async fn eviction(&self) -> Result<Option<Eviction>, QueueError> {
        let info: String = redis::cmd("INFO").arg("memory").query_async(&mut self.connection()).await?;
        Ok(Eviction::read(&info))
    }

    /// Says loudly when Redis evicts, as soon as it answers; nobody waits for that. For the start of a process and after a
    /// reconnect: it may be another server. Must be called within a Tokio runtime.
    pub fn warn_of_eviction(&self) {
        let queue = self.clone();
        tokio::spawn(async move {
            let eviction = loop {
                match queue.eviction().await {
                    Ok(eviction) => break eviction,
                    // Others say that it is away.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            };
            if let Some(Eviction { policy, maxmemory_bytes }) = eviction {
                error!(
                    policy,
                    maxmemory_bytes,
                    "Redis may evict what is queued, and tasks start late then: set `maxmemory-policy noeviction`, and give \
                     Longshore a Redis of its own where others need a cache"
                );
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_evicts_is_read_with_the_memory_it_begins_at() {
        let info = "# Memory\r\nused_memory:1024\r\nmaxmemory:1048576\r\nmaxmemory_human:1.00M\r\nmaxmemory_policy:allkeys-lru\r\n";
        let eviction = Eviction { policy: "allkeys-lru".into(), maxmemory_bytes: Some(1 << 20) };
        assert_eq!(Eviction::read(info), Some(eviction));
        let unbounded = Eviction { policy: "volatile-ttl".into(), maxmemory_bytes: None };
        assert_eq!(Eviction::read("maxmemory:0\r\nmaxmemory_policy:volatile-ttl\r\n"), Some(unbounded));
    }

    #[test]
    fn a_server_that_keeps_everything_or_does_not_say_evicts_nothing() {
        assert_eq!(Eviction::read("maxmemory:1048576\r\nmaxmemory_policy:noeviction\r\n"), None);
        assert_eq!(Eviction::read("# Memory\r\nused_memory:1024\r\n"), None);
    }
}
