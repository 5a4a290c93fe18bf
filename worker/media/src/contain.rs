//! The limits that a render process sets itself, before it reads a byte of what somebody sent. How much memory and disk it may use
//! is for its parent to say.

use std::{
    io::{self, Read},
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, setrlimit};

const MAX_OPEN_FILES: u64 = 256;
/// Of all cores together: far more than the longest film takes, far less than for ever.
const MAX_CPU_SECONDS: u64 = 4 * 3600;
/// Others go first: a render is never urgent to the millisecond.
const NICENESS: i32 = 5;

/// Drawing is done by so many threads at most; each reserves address space.
const MAX_DRAWING_THREADS: usize = 8;

/// How long a render may take to stop by itself once its parent is gone.
const GRACE: Duration = Duration::from_secs(2);

/// Bounds what this process may use, and returns the flag that SIGTERM and SIGINT set.
///
/// # Errors
/// When the system refuses a signal handler. Limits that it does not know are left out.
pub fn contain() -> io::Result<Arc<AtomicBool>> {
    for (resource, limit) in [(Resource::Core, 0), (Resource::Nofile, MAX_OPEN_FILES), (Resource::Cpu, MAX_CPU_SECONDS)]
    {
        // A lower limit may be set already, and then stays.
        let _ = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    }
    let _ = rustix::process::nice(NICENESS);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores.min(MAX_DRAWING_THREADS));
    // It fails only if it was built before, which is as good.
    let _ = pool.build_global();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Ends the process when standard input ends, which is when the parent does, however it does.
///
/// The death signal of Linux is not used: it comes when the *thread* that started the process ends, and threads of an
/// asynchronous runtime do.
#[expect(clippy::disallowed_methods, reason = "main may hang in a codec, and this thread is what is left to end it")]
pub fn die_with_parent(stop: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut buffer = [0u8; 64];
        let mut input = io::stdin().lock();
        while !matches!(input.read(&mut buffer), Ok(0) | Err(_)) {}
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        thread::sleep(GRACE);
        std::process::exit(1);
    });
}
