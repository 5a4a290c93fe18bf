//! The request for a socket.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    Extension,
    extract::{ConnectInfo, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{guest::Guest, socket::Socket};
use crate::{
    app::Shared,
    caller::Caller,
    links::Links,
    problem::{Code, Problem},
};

/// Where the socket is.
pub(super) const PATH: &str = "/api/v1/ws";
/// What a frame of a client may have; what a message may have is looked at when it is there.
const FRAME_MAX: usize = 1 << 20;
/// What is read and written at once. Most sockets are silent most of the time.
const BUFFER: usize = 4 << 10;

/// Open a socket.
///
/// The events of any set of tasks, tags or groups over one WebSocket (RFC 6455): docs/streaming.md has the messages. A client that cannot
/// send headers, as in a browser, shows its key in the first message instead.
#[utoipa::path(
    get,
    path = "/ws",
    operation_id = "openSocket",
    tag = "tasks",
    security((), ("key" = ["tasks:read"])),
    responses((status = 101, description = "The connection is a WebSocket from now on.")),
    extensions(("x-problems" = json!(["upgrade_required"])))
)]
pub(crate) async fn open(
    State(app): State<Shared>,
    caller: Result<Caller, Problem>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    links: Links,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        // Whoever does not even ask for a socket shows its key now or never.
        if let Err(unauthorized) = caller {
            return unauthorized;
        }
        let problem = Problem::new(Code::UpgradeRequired, rejection.body_text().trim_end_matches('.').to_owned());
        problem.with(header::UPGRADE, HeaderValue::from_static("websocket"))
    })?;
    let place = app.sockets.take();
    let place = place.ok_or_else(|| Problem::new(Code::Overloaded, "too many sockets are open").retry_after(5))?;
    let upgrade = upgrade
        .max_message_size(FRAME_MAX)
        .max_frame_size(FRAME_MAX)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Extension(ConnectInfo(peer))| peer.ip());
    let guest = Guest::of(&headers, app.proxies.client(peer, &headers));
    Ok(upgrade.on_upgrade(move |web| Socket::serve(app, place, guest, links, web)).into_response())
}
