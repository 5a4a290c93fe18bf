//! What the processes of one attempt may use: the system holds them to it.

use jobs_runtime::config::WorkerConfig;
use rustix::process::{Pid, Resource, Rlimit, getrlimit};

/// What the processes of one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of each process, in bytes: what it may write to. Maps of files and address space that is only reserved are free. A film
    /// of UHD takes 2.3 GB of it on two cores, and more with more threads.
    pub memory_bytes: u64,
    /// Disk, in bytes: no file may be larger, nor the scratch directory of an attempt.
    pub disk_bytes: u64,
}

impl Limits {
    /// The limits that were set.
    #[must_use]
    pub fn of(config: &WorkerConfig) -> Self {
        Self { memory_bytes: config.attempt_memory_bytes, disk_bytes: config.attempt_disk_bytes }
    }

    /// Bounds this process. Only for one that runs a single attempt.
    pub(crate) fn bind_this_process(self) {
        for (resource, limit) in self.resources() {
            // A limit that the system does not know is left out.
            let _ = rustix::process::setrlimit(resource, limit);
        }
    }

    /// Bounds a process that was just started, before it is told what to do.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn bind(self, process: Pid) {
        for (resource, limit) in self.resources() {
            // It may have ended already.
            let _ = rustix::process::prlimit(Some(process), resource, limit);
        }
    }

    /// Elsewhere nobody can bound another process: its programs bound themselves.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn bind(self, _: Pid) {}

    fn resources(self) -> [(Resource, Rlimit); 3] {
        // What a dying process leaves behind is nobody's: no image of its memory.
        [(Resource::Data, self.memory_bytes), (Resource::Fsize, self.disk_bytes), (Resource::Core, 0)].map(
            |(resource, limit)| {
                // A limit that holds for us can be lowered, not raised.
                let limit = getrlimit(resource).maximum.map_or(limit, |maximum| maximum.min(limit));
                (resource, Rlimit { current: Some(limit), maximum: Some(limit) })
            },
        )
    }
}
