//! The answer to a connection that has no place: it is told when to come back, at little cost.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// So many are told at once. More are closed without a word.
const AT_ONCE: usize = 64;
/// So long each may take to hear it.
const PATIENCE: Duration = Duration::from_secs(1);
/// So much is read of what it says meanwhile, so that the system does not take the answer back with the connection.
const UNREAD_MAX: u64 = 64 << 10;

const ANSWER: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\n\
Connection: close\r\nContent-Length: 156\r\n\r\n\
{\"type\":\"/api/v1/problems/overloaded\",\"title\":\"The server is overloaded\",\"status\":503,\
\"detail\":\"as many connections as may be are open\",\"code\":\"overloaded\"}";

/// Those that are told.
#[derive(Debug)]
pub(super) struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Refusals {
    /// Tells a client that there is no place, and closes the connection.
    pub(super) fn answer(&self, mut stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let told = async {
                stream.write_all(ANSWER).await?;
                stream.shutdown().await?;
                tokio::io::copy(&mut stream.take(UNREAD_MAX), &mut tokio::io::sink()).await
            };
            // Whether it hears it is its own affair.
            drop(timeout(PATIENCE, told).await);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], crate::problem::Code::Overloaded.name());
    }
}
