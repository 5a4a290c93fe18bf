//! Whether the index is there, and how it is said that it is built anew.

use std::sync::LazyLock;

use redis::Script;
use uuid::Uuid;

use crate::{Queue, QueueError};

/// In front of the epoch of an index that is not whole yet.
const BUILDING: &str = "building:";

/// Sets the key to the second argument if it is the first.
static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[2])
        return 1",
    )
});

/// A rebuild of the index that is under way.
#[derive(Debug)]
pub struct Rebuild {
    epoch: String,
}

impl Queue {
    /// Whether the index is there: `false` after Redis lost its data, and until it is built anew.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn is_whole(&self) -> Result<bool, QueueError> {
        let epoch: Option<String> = redis::cmd("GET").arg(self.epoch_key()).query_async(&mut self.connection()).await?;
        Ok(epoch.is_some_and(|epoch| !epoch.starts_with(BUILDING)))
    }

    /// Says that the index is built anew from now on.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn begin_rebuild(&self) -> Result<Rebuild, QueueError> {
        let epoch = format!("{BUILDING}{}", Uuid::now_v7().simple());
        let () = redis::cmd("SET").arg(self.epoch_key()).arg(&epoch).query_async(&mut self.connection()).await?;
        Ok(Rebuild { epoch })
    }

    /// Says that the index is there: everything that is ready has been pushed. `false` when Redis lost its data again meanwhile:
    /// then nothing is said, and it has to be built again.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn end_rebuild(&self, rebuild: Rebuild) -> Result<bool, QueueError> {
        let whole = rebuild.epoch.trim_start_matches(BUILDING);
        let mut replace = REPLACE.key(self.epoch_key());
        Ok(replace.arg(&rebuild.epoch).arg(whole).invoke_async(&mut self.connection()).await?)
    }
}
