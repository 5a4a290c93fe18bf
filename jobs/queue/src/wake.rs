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
    connection: Option<MultiplexedConnection>,
}

impl Wake {
    /// A wait on the queue called `name`.
    #[must_use]
    pub fn new(queue: &Queue, name: &str) -> Self {
        Self { queue: queue.clone(), key: format!("{}:wake", queue.base(name)), connection: None }
    }

    /// Waits until something may be ready. Safe to drop half way: a token that is lost then was one among the ready.
    ///
    /// # Errors
    /// When Redis is not available; the next call connects again.
    pub async fn wait(&mut self) -> Result<(), QueueError> {
        // Out of its place while it is used: a wait that was dropped would leave its answer to the next one.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(Duration::from_secs(1)))
                    .set_response_timeout(Some(RENEW + Duration::from_secs(5)));
                self.queue.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        let _token: Option<(String, String)> =
            redis::cmd("BLPOP").arg(&self.key).arg(RENEW.as_secs()).query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }
}
