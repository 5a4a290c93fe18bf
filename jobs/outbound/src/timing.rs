//! How long the parts of a request took: what a delivery log shows.

use std::time::Duration;

/// Parts of a request, by a clock that only goes forward. `None`: it did not come to that, or a connection was used again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the name to its addresses.
    pub dns: Option<Duration>,
    /// From the first packet to the TCP connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the start of the request, connecting included, to the head of its answer.
    pub first_byte: Option<Duration>,
    /// From the start of the first request, over all redirects, to the head of the last answer or to the failure.
    pub total: Duration,
    /// The connection had been used before.
    pub reused: bool,
}
