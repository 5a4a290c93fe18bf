//! Manners towards foreign hosts: how often, and by how many at once, all workers together ask each of them.
//!
//! Under `{<prefix>:host:<host>}` lies a hash of what was learnt of it (`next`, when the next request may come; `delay`, what its
//! answers teach; `failures` in a row; `closed`, until when nobody asks), `:there`, a sorted set of those who ask now, and `:robots`,
//! its rules for crawlers. All of it goes by itself a day after the last request.

use std::{sync::LazyLock, time::Duration};

use redis::{AsyncCommands, Script};

use crate::{Queue, QueueError};

static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/enter.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/leave.lua")));

/// How a host is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Two requests come no sooner after each other.
    pub pause: Duration,
    /// So many requests at once.
    pub at_once: u32,
    /// A visit that takes longer is over.
    pub visit: Duration,
    /// A turn that is further away is not taken.
    pub patience: Duration,
}

/// What a host's door says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Go in after this wait, and say when you leave.
    In(Duration),
    /// Ask again after this wait.
    Later(Duration),
}

/// How a visit went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// There was an answer.
    Fine,
    /// The host has too much to do.
    Busy,
    /// There was no answer, or one that says that the host is broken.
    Failed,
}

impl Queue {
    /// Takes a turn at a host.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn enter(&self, host: &str, visitor: &str, manners: Manners) -> Result<Door, QueueError> {
        let mut script = ENTER.key(self.host(host, ""));
        script.key(self.host(host, ":there")).arg(visitor).arg(millis(manners.pause)).arg(manners.at_once);
        script.arg(millis(manners.visit)).arg(millis(manners.patience));
        let (may_enter, wait_ms): (u8, u64) = script.invoke_async(&mut self.connection()).await?;
        let wait = Duration::from_millis(wait_ms);
        Ok(if may_enter == 1 { Door::In(wait) } else { Door::Later(wait) })
    }

    /// Says how a visit went, how long the answer took, and how long the host asked to be left alone.
    ///
    /// # Errors
    /// When Redis is not available. The visit is over after its time anyway.
    pub async fn leave(
        &self,
        host: &str,
        visitor: &str,
        visit: Visit,
        took: Duration,
        alone: Duration,
    ) -> Result<(), QueueError> {
        let how = match visit {
            Visit::Fine => "fine",
            Visit::Busy => "busy",
            Visit::Failed => "failed",
        };
        let mut script = LEAVE.key(self.host(host, ""));
        script.key(self.host(host, ":there")).arg(visitor).arg(how).arg(millis(took)).arg(millis(alone));
        let _: u8 = script.invoke_async(&mut self.connection()).await?;
        Ok(())
    }

    /// What was kept of a host's `robots.txt`.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn robots(&self, host: &str) -> Result<Option<Vec<u8>>, QueueError> {
        Ok(self.connection().get(self.host(host, ":robots")).await?)
    }

    /// Keeps a host's `robots.txt` for a while.
    ///
    /// # Errors
    /// When Redis is not available.
    pub async fn keep_robots(&self, host: &str, file: &[u8], hold: Duration) -> Result<(), QueueError> {
        Ok(self.connection().pset_ex(self.host(host, ":robots"), file, millis(hold).max(1)).await?)
    }

    fn host(&self, host: &str, suffix: &str) -> String {
        format!("{{{}:host:{host}}}{suffix}", self.prefix())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
