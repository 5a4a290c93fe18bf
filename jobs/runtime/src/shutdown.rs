//! How a process stops: softly first, then hard.

use std::{io::Read as _, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a process may go on without the one that looked after it.
const ORPHAN_LIMIT: Duration = Duration::from_secs(5);

/// Two signals that parts of a process wait for. Cloning gives another handle to the same two.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take nothing new, finish what runs. The first SIGTERM or SIGINT.
    pub soft: CancellationToken,
    /// Let go of everything now. The second signal, or the end of the grace; never without `soft`.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nothing has asked for yet, and that only its owner can ask for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown that follows the signals of the operating system: soft at the first, hard at the second or `grace`
    /// after the first.
    ///
    /// A process that `longshore up` looks after also stops, at once, when `up` is gone: its standard input then ends.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn on_signals(grace: Duration) -> std::io::Result<Self> {
        let shutdown = Self::new();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(shutdown.clone().follow(terminate, interrupt, grace));
        if crate::config::supervised() {
            let shutdown = shutdown.clone();
            std::thread::spawn(move || shutdown.follow_parent());
        }
        Ok(shutdown)
    }

    /// Asks for a soft stop, and for a hard one after `grace`.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn stop_within(&self, grace: Duration) {
        self.soft.cancel();
        let hard = self.hard.clone();
        tokio::spawn(async move {
            // Ends early when somebody asks for a hard stop.
            let _ = tokio::time::timeout(grace, hard.cancelled()).await;
            hard.cancel();
        });
    }

    /// Asks for a hard stop now.
    pub fn stop_now(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    async fn follow(self, mut terminate: Signal, mut interrupt: Signal, grace: Duration) {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, grace_s = grace.as_secs_f64(), "stopping: what runs may finish");
        self.stop_within(grace);
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "stopping now");
        self.stop_now();
    }

    /// A thread, as reading standard input from a task would hold up the end of the runtime.
    #[expect(clippy::disallowed_methods, reason = "the last resort of a process that nobody looks after any more")]
    fn follow_parent(&self) {
        // Nothing is ever written to it: reading returns when the other end is gone.
        let _ = std::io::stdin().read(&mut [0; 1]);
        tracing::warn!("stopping now: the process that looked after this one is gone");
        self.stop_now();
        std::thread::sleep(ORPHAN_LIMIT);
        std::process::exit(1);
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hard_follows_soft_after_the_grace() {
        let shutdown = Shutdown::new();
        let asked = tokio::time::Instant::now();

        shutdown.stop_within(Duration::from_secs(25));
        assert!(shutdown.soft.is_cancelled() && !shutdown.hard.is_cancelled());
        shutdown.hard.cancelled().await;

        assert_eq!(asked.elapsed().as_secs(), 25);
    }

    #[tokio::test]
    async fn the_first_signal_is_soft_and_the_second_hard() {
        let shutdown = Shutdown::on_signals(Duration::from_secs(600)).expect("signals");
        let me = rustix::process::getpid();

        rustix::process::kill_process(me, rustix::process::Signal::TERM).expect("kill");
        shutdown.soft.cancelled().await;
        assert!(!shutdown.hard.is_cancelled());

        rustix::process::kill_process(me, rustix::process::Signal::INT).expect("kill");
        shutdown.hard.cancelled().await;
    }
}
