//! The Postgres and the Redis of a test: those of the whole run, or its own where it stops them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jobs_runtime::PrivateServers;
use rustix::process::{Pid, Signal, kill_process};

/// Where the whole run finds its Postgres; `with-servers` sets it.
pub const DATABASE_VARIABLE: &str = "LONGSHORE_TEST_DATABASE_URL";
/// Where the whole run finds its Redis; `with-servers` sets it.
pub const REDIS_VARIABLE: &str = "LONGSHORE_TEST_REDIS_URL";

/// A Postgres and a Redis.
#[derive(Debug)]
pub struct Servers {
    database_url: String,
    redis_url: String,
    own: Option<Mutex<PrivateServers>>,
}

impl Servers {
    /// Servers that are shared with other tests: those that the environment names, or else those of this process, which
    /// end with their last user.
    ///
    /// # Panics
    /// When there are none and none can be started.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        static OF_PROCESS: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
        if let (Some(database_url), Some(redis_url)) = (variable(DATABASE_VARIABLE), variable(REDIS_VARIABLE)) {
            return Arc::new(Self { database_url, redis_url, own: None });
        }
        let mut known = OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(servers) = known.upgrade() {
            return servers;
        }
        let servers = Self::private();
        *known = Arc::downgrade(&servers);
        servers
    }

    /// Servers of this test alone: it may stop them.
    ///
    /// # Panics
    /// When they do not start.
    #[must_use]
    pub fn private() -> Arc<Self> {
        let servers = PrivateServers::throwaway().unwrap_or_else(|error| panic!("private servers: {error}"));
        Arc::new(Self {
            database_url: servers.database_url(),
            redis_url: servers.redis_url(),
            own: Some(Mutex::new(servers)),
        })
    }

    /// The address of Postgres, with a database that others use too.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The address of Redis.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// The servers themselves, to stop and start them. The calls block for as long as they take.
    ///
    /// # Panics
    /// When others use them, too.
    pub fn own(&self) -> MutexGuard<'_, PrivateServers> {
        let own = self.own.as_ref().expect("a test that stops servers takes Servers::private()");
        own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills Redis and starts it again, empty. Blocks for as long as that takes.
    ///
    /// # Panics
    /// When others use it, too, and when it does not start.
    pub fn kill_redis(&self) {
        let mut own = self.own();
        let pid = own.redis_pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("Redis runs");
        kill_process(pid, Signal::KILL).expect("kill Redis");
        own.stop_redis().expect("Redis was started");
        own.start_redis().unwrap_or_else(|error| panic!("start Redis: {error}"));
    }
}

/// A variable of the environment, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "these variables are for tests, not for the programs")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
