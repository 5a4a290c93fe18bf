//! The Redis server as an operator sees it.

use crate::{Queue, QueueError};

impl Queue {
    /// The version of the server, such as `7.0.15`; empty if it does not say.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn version(&self) -> Result<String, QueueError> {
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut self.connection()).await?;
        let line = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(line.unwrap_or_default().trim().to_owned())
    }
}
