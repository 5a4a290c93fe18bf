//! The request for a socket.

use axum::{
    extract::{State, WebSocketUpgrade},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use super::{guest::Guest, socket::Socket};
use crate::{
    app::Shared,
    links::Links,
    problem::{Code, Problem},
};

/// Where the socket is.
pub(super) const PATH: &str = "/api/v1/ws";
/// What a frame of a client may have; what a message may have is looked at when it is there.
const FRAME_MAX: usize = 1 << 20;
/// What is read and written at once. Most sockets are silent most of the time.
const BUFFER: usize = 4 << 10;

/// `GET /ws`.
pub(crate) async fn open(
    State(app): State<Shared>,
    links: Links,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let place = app.sockets.take();
    let place = place.ok_or_else(|| Problem::new(Code::Overloaded, "too many sockets are open").retry_after(5))?;
    let upgrade = upgrade
        .max_message_size(FRAME_MAX)
        .max_frame_size(FRAME_MAX)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let guest = Guest::of(&headers);
    Ok(upgrade.on_upgrade(move |web| Socket::serve(app, place, guest, links, web)).into_response())
}
