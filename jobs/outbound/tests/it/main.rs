//! The guarded client against real servers on this machine, most of them hostile.

#![cfg(test)]

mod answers;
mod names;
mod receiver;
mod redirects;
mod refusals;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jobs_outbound::{Allowed, Dns, Limits, Outbound, OutboundConfig};

/// Where receivers are that may be reached. All of `127.0.0.0/8` is this machine, so the rest of it plays the inside.
pub(crate) const FRIEND: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
/// Where the servers are that nobody outside may reach.
pub(crate) const INSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A configuration that allows [`FRIEND`] beyond the law, and has short limits.
pub(crate) fn config() -> OutboundConfig {
    OutboundConfig {
        allowed: Allowed { networks: vec![FRIEND.into()], ..Allowed::default() },
        limits: Limits {
            first_byte: Duration::from_secs(5),
            total: Duration::from_secs(10),
            wire_bytes: 1 << 20,
            body_bytes: 4 << 20,
        },
        dns: Dns::Servers(Vec::new()),
        connect: Duration::from_secs(5),
        ..OutboundConfig::default()
    }
}

pub(crate) fn outbound() -> Outbound {
    Outbound::new(config()).unwrap()
}

pub(crate) fn asking(server: SocketAddr, config: OutboundConfig) -> Outbound {
    Outbound::new(OutboundConfig { dns: Dns::Servers(vec![server]), ..config }).unwrap()
}
