//! The gate: the only place that opens a connection. Whatever led to it — a literal, a name, a redirect — passes here.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::{
    address::Range,
    allowed::Allowed,
    connection::{Connection, Made},
    error::{Cause, Failure, Phase, Refused},
    resolve::Resolve,
    target::literal,
    timing::Timings,
};

/// The next address is tried when this has passed without a connection (RFC 8305, section 5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// All addresses of a name are judged; a name with hundreds of silent ones must not make us knock at each.
const MOST_ADDRESSES: usize = 8;
/// What is said of an address of this very machine that is in no table, because it is public.
const OWN_MACHINE: Range = Range { purpose: "this machine", network: "local address" };

/// Opens connections to addresses that may be requested.
#[derive(Clone)]
pub(crate) struct Connector {
    rules: Arc<Rules>,
}

struct Rules {
    allowed: Arc<Allowed>,
    resolve: Resolve,
    tls: TlsConnector,
    limit: Duration,
}

/// Why there is no connection, and how far it came.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct NotConnected {
    pub(crate) cause: Cause,
    pub(crate) timings: Timings,
}

impl Connector {
    pub(crate) fn new(allowed: Arc<Allowed>, resolve: Resolve, tls: Arc<ClientConfig>, limit: Duration) -> Self {
        Self { rules: Arc::new(Rules { allowed, resolve, tls: TlsConnector::from(tls), limit }) }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let mut timings = Timings::default();
            let opened = timeout(rules.limit, rules.open(&uri, &mut timings)).await;
            let late = Failure::Timeout { phase: Phase::Connect, after: rules.limit };
            opened.unwrap_or(Err(late.into())).map_err(|cause| NotConnected { cause, timings })
        })
    }
}

impl Rules {
    async fn open(&self, uri: &Uri, timings: &mut Timings) -> Result<Connection, Cause> {
        let host = uri.host().unwrap_or_default();
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });

        let addresses = match literal(host) {
            Some(address) => vec![address],
            None => {
                let start = Instant::now();
                let found = self.resolve.addresses(host).await?;
                timings.dns = Some(start.elapsed());
                found
            }
        };
        // One bad address condemns the name: its owner could lead the next connection there.
        for address in &addresses {
            self.allowed.check(host, *address, port)?;
        }

        let start = Instant::now();
        let stream = connect(&addresses, port).await.map_err(|err| Failure::Connect(err.kind()))?;
        timings.connect = Some(start.elapsed());
        self.recheck(host, &stream, &addresses)?;
        // A small request and its answer must not wait for each other's acknowledgement.
        stream.set_nodelay(true).map_err(|err| Failure::Connect(err.kind()))?;

        if !is_tls {
            return Ok(Connection::plain(stream, Made::new(*timings)));
        }
        let start = Instant::now();
        let stream = self.tls.connect(server_name(host)?, stream).await.map_err(|err| tls_failure(&err))?;
        timings.tls = Some(start.elapsed());
        Ok(Connection::tls(stream, Made::new(*timings)))
    }

    /// The last look, at the socket itself and before the first byte: it must be connected to an address that was judged, and
    /// not to this machine under a public address, where services may trust whoever is local.
    fn recheck(&self, host: &str, stream: &TcpStream, judged: &[IpAddr]) -> Result<(), Cause> {
        let ends = stream.peer_addr().and_then(|peer| Ok((peer.ip(), stream.local_addr()?.ip())));
        let (peer, local) = ends.map_err(|err| Failure::Connect(err.kind()))?;
        let is_judged = judged.contains(&peer);
        let is_own = peer == local && !self.allowed.makes_an_exception(host, peer);
        if is_judged && !is_own {
            return Ok(());
        }
        Err(Refused::Address { host: host.to_owned(), address: peer, range: OWN_MACHINE }.into())
    }
}

/// The first connection to any of `addresses`, which are tried in turn, each a moment after the one before or as soon as that
/// failed.
async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut waiting =
        interleaved(addresses).into_iter().take(MOST_ADDRESSES).map(|address| SocketAddr::new(address, port));
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let more = waiting.next().map(|address| attempts.push(TcpStream::connect(address))).is_some();
        let moment = if more { Either::Left(sleep(NEXT_ADDRESS)) } else { Either::Right(future::pending()) };
        let mut moment = std::pin::pin!(moment);
        loop {
            tokio::select! {
                () = &mut moment => break,
                attempt = attempts.next() => match attempt {
                    Some(Ok(stream)) => return Ok(stream),
                    Some(Err(err)) => {
                        last = err;
                        if attempts.is_empty() { break }
                    }
                    None => return Err(last),
                },
            }
        }
    }
}

/// IPv6 and IPv4 in turn, so that one family that leads nowhere costs one moment only.
fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv6());
    let longest = v6.len().max(v4.len());
    (0..longest).flat_map(|nth| [v6.get(nth), v4.get(nth)]).flatten().copied().collect()
}

fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    let name = literal(host)
        .map_or_else(|| ServerName::try_from(host.trim_end_matches('.').to_owned()), |address| Ok(address.into()));
    name.map_err(|_| Failure::Tls("the host is no name for a certificate".to_owned()))
}

fn tls_failure(err: &io::Error) -> Failure {
    let said = err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    said.map_or(Failure::Closed, |err| Failure::Tls(err.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["1.1.1.1", "1.1.1.2", "2606::1", "1.1.1.3"].map(|address| address.parse().unwrap());
        let order: Vec<String> = interleaved(&addresses).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["2606::1", "1.1.1.1", "1.1.1.2", "1.1.1.3"]);
    }

    #[tokio::test]
    async fn a_silent_address_does_not_keep_the_next_one_waiting() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nothing listens on the first one, which is refused at once.
        let stream = connect(&["127.9.9.9".parse().unwrap(), "127.0.0.1".parse().unwrap()], port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 1]));
        assert!(connect(&["127.9.9.9".parse().unwrap()], port).await.is_err());
        assert!(connect(&[], port).await.is_err());
    }
}
