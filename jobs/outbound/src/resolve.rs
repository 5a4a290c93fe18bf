//! From names to addresses, once for each connection.
//!
//! The resolver of the system (`getaddrinfo`) takes a thread for each name, so that a few hundred names whose servers are silent
//! would stop all others. This one waits for many at once, and for each address family.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
};

use crate::{
    config::Dns,
    error::{ConfigError, Failure},
};

/// However long a server says: a name that moved is found within this.
const LONGEST_TTL: Duration = Duration::from_secs(60);
const LONGEST_NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// Asks name servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolve {
    resolver: TokioResolver,
}

impl Resolve {
    pub(crate) fn new(dns: &Dns) -> Result<Self, ConfigError> {
        let mut builder = match dns {
            Dns::System => TokioResolver::builder_tokio().map_err(|err| ConfigError::Dns(err.to_string()))?,
            Dns::Servers(servers) => {
                let servers = servers.iter().map(|server| {
                    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                        connection.port = server.port();
                        connection
                    });
                    NameServerConfig::new(server.ip(), true, connections.into())
                });
                let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        tune(builder.options_mut());
        let resolver = builder.build().map_err(|err| ConfigError::Dns(err.to_string()))?;
        Ok(Self { resolver })
    }

    /// All addresses of `host`, of both families.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let failed = |unknown| Failure::Resolve { host: host.to_owned(), unknown };
        match self.resolver.lookup_ip(host).await {
            Ok(found) => {
                let addresses: Vec<IpAddr> = found.iter().collect();
                if addresses.is_empty() { Err(failed(true)) } else { Ok(addresses) }
            }
            Err(err) => Err(failed(err.is_nx_domain())),
        }
    }
}

fn tune(options: &mut ResolverOpts) {
    // Both families always: a name with one good and one bad address must show both.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Duration::from_secs(2);
    options.cache_size = 4_096;
    options.positive_max_ttl = Some(LONGEST_TTL);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE_TTL);
    options.max_active_requests = 1_024;
}
