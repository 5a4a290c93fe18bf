//! What an operator allows beyond the public Internet, and on which ports.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    address,
    error::{ConfigError, Refused},
};

/// Exceptions that the operator of an installation makes, and the ports of the public Internet.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// Addresses that may be requested although the law refuses them, on any port.
    pub networks: Vec<IpNet>,
    /// Names that may lead to any address, on any port.
    pub hosts: Vec<HostPattern>,
    /// Ports of public addresses.
    pub ports: Vec<u16>,
    /// Addresses that may not be requested although the law lets them pass, such as public ones of the operator's own network.
    pub refused: Vec<IpNet>,
}

impl Default for Allowed {
    /// The public Internet, on the ports where web servers are.
    fn default() -> Self {
        Self { networks: Vec::new(), hosts: Vec::new(), ports: vec![80, 443, 8080, 8443], refused: Vec::new() }
    }
}

/// A name, or with a leading `*.` all names below one. Without case and final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    below: bool,
}

impl std::str::FromStr for HostPattern {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        // Names are compared as the URL standard spells them, so that a pattern in Unicode means what it says.
        match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) if !name.contains('*') => {
                Ok(Self { name: name.trim_end_matches('.').to_owned(), below })
            }
            // An address is allowed as a network: `hosts` trusts whoever answers for a name.
            Ok(_) | Err(_) => Err(ConfigError::HostPattern(text.to_owned())),
        }
    }
}

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        if !self.below {
            return host.eq_ignore_ascii_case(&self.name);
        }
        let Some(split) = host.len().checked_sub(self.name.len() + 1) else {
            return false;
        };
        host.is_char_boundary(split)
            && host[split..].strip_prefix('.').is_some_and(|end| end.eq_ignore_ascii_case(&self.name))
    }
}

impl Allowed {
    /// Whether a request to `host` may go to `address` and `port`, for a `host` that led to it.
    ///
    /// # Errors
    /// [`Refused::Address`] or [`Refused::Port`].
    pub fn check(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Refused> {
        if self.makes_an_exception(host, address) {
            return Ok(());
        }
        let reached = address::unmapped(address);
        let own = self.refused.iter().any(|network| network.contains(&reached)).then_some(OWN);
        if let Some(range) = own.or_else(|| address::refused(address)) {
            return Err(Refused::Address { host: host.to_owned(), address, range });
        }
        if !self.ports.contains(&port) {
            return Err(Refused::Port(port));
        }
        Ok(())
    }

    /// The operator wants this to be reached, whatever the law says.
    pub(crate) fn makes_an_exception(&self, host: &str, address: IpAddr) -> bool {
        let reached = address::unmapped(address);
        let by_network = self.networks.iter().any(|network| network.contains(&reached) || network.contains(&address));
        by_network || self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// What is said of addresses that the operator refuses.
const OWN: address::Range = address::Range { purpose: "refused by the operator", network: "configured" };

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        Allowed {
            networks: vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()],
            hosts: vec!["receiver.internal".parse().unwrap(), "*.Svc.example".parse().unwrap()],
            refused: vec!["93.184.216.0/24".parse().unwrap()],
            ..Allowed::default()
        }
    }

    fn check(host: &str, address: &str, port: u16) -> Result<(), Refused> {
        allowed().check(host, address.parse().unwrap(), port)
    }

    #[test]
    fn the_public_internet_has_the_ports_of_web_servers() {
        assert!(check("a.example", "1.1.1.1", 443).is_ok());
        assert!(matches!(check("a.example", "1.1.1.1", 25), Err(Refused::Port(25))));
        assert!(matches!(check("a.example", "10.0.0.1", 443), Err(Refused::Address { .. })));
    }

    #[test]
    fn networks_and_hosts_are_exceptions_on_every_port() {
        assert!(check("a.example", "10.1.2.3", 9000).is_ok());
        assert!(check("a.example", "::ffff:10.1.2.3", 9000).is_ok());
        assert!(check("a.example", "fd00:1::1", 9000).is_ok());
        assert!(check("a.example", "10.2.0.1", 80).is_err());
        assert!(check("receiver.internal", "127.0.0.1", 9000).is_ok());
        assert!(check("RECEIVER.internal.", "127.0.0.1", 9000).is_ok());
        assert!(check("a.svc.example", "127.0.0.1", 80).is_ok());
        for other in ["svc.example", "asvc.example", "receiver.internal.evil.example", "x.receiver.internal"] {
            assert!(check(other, "127.0.0.1", 80).is_err(), "{other}");
        }
    }

    #[test]
    fn an_operator_refuses_public_addresses_of_its_own() {
        assert!(check("a.example", "93.184.216.34", 443).is_err());
        assert!(check("a.example", "::ffff:93.184.216.34", 443).is_err());
        assert!(check("a.example", "93.184.217.34", 443).is_ok());
    }

    #[test]
    fn a_pattern_is_a_name() {
        for text in ["127.0.0.1", "0x7f.1", "[::1]", "", "*", "*.", "a b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
        assert!("*.bücher.example".parse::<HostPattern>().unwrap().matches("a.xn--bcher-kva.example"));
    }
}
