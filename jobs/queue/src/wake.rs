//! Waiting for work without asking for it again and again.

use std::time::Duration;

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

use crate::{Queue, QueueError};

/// A wait is renewed so often, in case the network forgot the connection.
const RENEW: Duration = Duration::from_secs(60);

/// Blocks until something is ready in one queue, on a connection of its own.
#[derive(Debug)]
pub struct Wake {
    queue: Queue,
    key: String,
    connection: Option<Line>,
}

/// A connection, and what Redis calls it.
#[derive(Debug)]
struct Line {
    connection: MultiplexedConnection,
    id: u64,
}

impl Wake {
    /// A wait on the queue called `name`.
    #[must_use]
    pub fn new(queue: &Queue, name: &str) -> Self {
        Self { queue: queue.clone(), key: format!("{}:wake", queue.base(name)), connection: None }
    }

    /// Waits until something may be ready, for `most` at most if there is a reason to look then. Safe to drop half way: Redis is told that nobody waits any more, so that a later
    /// token wakes somebody else. Should one be lost all the same, the dispatcher finds that nobody was woken.
    ///
    /// # Errors
    /// When Redis is not available; the next call connects again.
    pub async fn wait(&mut self, most: Option<Duration>) -> Result<(), QueueError> {
        let limit = most.unwrap_or(RENEW).min(RENEW);
        // Zero would be for ever.
        let seconds = limit.max(Duration::from_millis(1)).as_secs_f64();
        // Out of its place while it is used: a wait that was dropped would leave its answer to the next one.
        let mut line = match self.connection.take() {
            Some(line) => line,
            None => self.connect().await?,
        };
        let given_up = GivenUp { queue: &self.queue, id: line.id, is_answered: false };
        let token: Result<Option<(String, String)>, _> =
            redis::cmd("BLPOP").arg(&self.key).arg(seconds).query_async(&mut line.connection).await;
        given_up.answered();
        token?;
        self.connection = Some(line);
        Ok(())
    }

    async fn connect(&self) -> Result<Line, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(RENEW + Duration::from_secs(5)));
        let mut connection = self.queue.client.get_multiplexed_async_connection_with_config(&config).await?;
        let id = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
        Ok(Line { connection, id })
    }
}

/// Ends a wait at the side of Redis when it is dropped before its answer came: the driver keeps a connection open until
/// every answer is there, and this one would come with somebody's token.
struct GivenUp<'a> {
    queue: &'a Queue,
    id: u64,
    is_answered: bool,
}

impl GivenUp<'_> {
    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (queue, id) = (self.queue.clone(), self.id);
            // Best effort: without Redis there is no token to lose.
            runtime.spawn(async move {
                let _ = queue.unblock(id).await;
            });
        }
    }
}
