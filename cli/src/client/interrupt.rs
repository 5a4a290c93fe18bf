//! Ctrl-C as an event that a command answers, instead of the end of the process.

/// The result of `work`; none when Ctrl-C came first. The work is dropped then, and with it what
/// it had begun.
///
/// From the first call on, the process no longer ends by itself on Ctrl-C: whatever may take long
/// after that goes through here as well.
pub(super) async fn or_interrupt<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        () = pressed() => None,
    }
}

async fn pressed() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler Ctrl-C ends the process, as it does by default.
        std::future::pending::<()>().await;
    }
}
