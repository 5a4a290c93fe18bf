//! The accept loop: connections are counted, and each is served until it ends or the server does.

mod patience;
mod places;
mod refusal;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request},
    http::StatusCode,
    response::Response,
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use jobs_runtime::config::ApiConfig;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use patience::{Clock, Patient};
use places::Places;
use refusal::Refusals;

use crate::rate::Proxies;

/// The head of a request, with all of its headers. What is longer is answered with 431.
const HEAD_MAX_BYTES: usize = 16 << 10;
/// So many requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 100;
/// So many requests of HTTP/2 may be taken back before they were looked at; then the connection ends (CVE-2023-44487).
const RESETS_MAX: usize = 20;
/// What waits to be sent on one stream of HTTP/2.
const SEND_MAX_BYTES: usize = 64 << 10;
/// A connection of HTTP/2 is asked so often whether it is still there, and given up when it is silent for as long.
const PING: Duration = Duration::from_secs(20);
/// After an error of the system that is not about one connection: most likely there are no file descriptors left.
const BREATH: Duration = Duration::from_millis(250);

/// Serves `router` on all connections that come in, until `stop`; then until what runs is answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: &ApiConfig,
    proxies: Proxies,
    stop: impl Future<Output = ()>,
) {
    let builder = protocol(config.idle_timeout);
    let connections = GracefulShutdown::new();
    let places = Places::new(config.max_connections, config.max_connections_per_address);
    let refusals = Refusals::default();
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stop => break,
        };
        // Behind a proxy everybody has its address.
        let counted = (!proxies.trusts(peer.ip().to_canonical())).then(|| peer.ip());
        let Some(place) = places.take(counted) else {
            refusals.answer(stream);
            continue;
        };
        let clock = Clock::default();
        let io = Patient::new(stream, config.header_timeout, clock.clone(), place);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), {
            let router = router.clone();
            service_fn(move |request| answer(router.clone(), request, peer, clock.clone()))
        });
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended badly");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// HTTP/1.1 and HTTP/2 without TLS, with the bounds of each.
fn protocol(idle: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Counted from the end of the answer before: a head that has begun has less, see `patience`.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(HEAD_MAX_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_MAX_BYTES as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_send_buf_size(SEND_MAX_BYTES)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and wait for nothing.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                tracing::trace!(%peer, "a connection");
                return (stream, peer);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    clock: Clock,
) -> Result<Response, Infallible> {
    let busy = clock.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.call(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        clock.stop();
    }
    // What is streamed keeps its connection busy until it ends.
    let is_whole = response.body().size_hint().exact().is_some();
    Ok(if is_whole { response } else { response.map(|body| busy.until_end_of(body)) })
}
