//! How the client is set up, and how much it bears.

use std::{net::SocketAddr, time::Duration};

use rustls::pki_types::CertificateDer;

use crate::allowed::Allowed;

/// How an [`Outbound`](crate::Outbound) is set up. It does not change afterwards: see [`Outbound`](crate::Outbound) for why.
#[derive(Debug, Clone)]
pub struct OutboundConfig {
    /// Exceptions and ports.
    pub allowed: Allowed,
    /// What each request bears, unless it says otherwise.
    pub limits: Limits,
    /// Who is asked for addresses.
    pub dns: Dns,
    /// Authorities that are trusted beside those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
    /// For a connection: name, TCP and TLS together.
    pub connect: Duration,
    /// How we call ourselves, where a request does not say it.
    pub user_agent: String,
    /// Idle connections that are kept for each host.
    pub idle_per_host: usize,
    /// How long they are kept. Node closes them after five seconds: being first saves a request that meets a closing one.
    pub idle: Duration,
}

impl Default for OutboundConfig {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            limits: Limits::default(),
            dns: Dns::System,
            authorities: Vec::new(),
            connect: Duration::from_secs(5),
            user_agent: concat!("longshore/", env!("CARGO_PKG_VERSION")).to_owned(),
            idle_per_host: 32,
            idle: Duration::from_secs(4),
        }
    }
}

/// Who is asked for addresses.
#[derive(Debug, Clone, Default)]
pub enum Dns {
    /// `/etc/hosts` and the servers of `/etc/resolv.conf`, as they are when the client is made.
    #[default]
    System,
    /// `/etc/hosts` and these servers, over UDP and TCP.
    Servers(Vec<SocketAddr>),
}

/// What a request bears before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of each hop to the head of its answer, connecting included.
    pub first_byte: Duration,
    /// For everything, all redirects and the body included.
    pub total: Duration,
    /// Bytes of the body as they come over the wire.
    pub wire_bytes: u64,
    /// Bytes of the body when it is decoded.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(15),
            total: Duration::from_secs(15),
            wire_bytes: 10 << 20,
            body_bytes: 10 << 20,
        }
    }
}
