//! The client for foreign addresses, as the settings have it.

use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::IpNet;
use jobs_outbound::{Allowed, Outbound, OutboundConfig};
use jobs_runtime::config::OutboundConfig as Settings;

/// A client that requests what the operator allows.
///
/// # Errors
/// When the settings name what is no network and no name, or the system has no authorities to trust.
pub fn outbound(settings: &Settings) -> anyhow::Result<Outbound> {
    let mut allowed = Allowed::default();
    for text in &settings.allow {
        // One address is a network of one.
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
        match network {
            Ok(network) => allowed.networks.push(network),
            Err(_) => allowed.hosts.push(text.parse().with_context(|| format!("outbound.allow: {text}"))?),
        }
    }
    Outbound::new(OutboundConfig { allowed, ..OutboundConfig::default() }).context("set up outgoing requests")
}
