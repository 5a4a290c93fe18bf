//! The wire of a socket: what is sent, and how long the client keeps it waiting.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use tokio::time::{Instant, timeout};

use super::outbound::Close;

/// A client that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(30);

/// The socket is over, and why, if there is anything to say.
pub(super) struct Over(pub(super) Option<Close>);

pub(super) type Done = Result<(), Over>;

/// The wire to the client, and how long it kept us waiting.
pub(super) struct Wire {
    pub(super) web: WebSocket,
    pub(super) stalled: Duration,
}

impl Wire {
    pub(super) fn new(web: WebSocket) -> Self {
        Self { web, stalled: Duration::ZERO }
    }

    /// Sends a message, and waits until there is room for it.
    pub(super) async fn send(&mut self, message: Message) -> Done {
        let began = Instant::now();
        let sent = timeout(STUCK, self.web.send(message)).await;
        self.stalled += began.elapsed();
        match sent {
            Ok(Ok(())) => Ok(()),
            // Gone, or as good as: there is nobody to say anything to.
            Ok(Err(_)) | Err(_) => Err(Over(None)),
        }
    }
}
