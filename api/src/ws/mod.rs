//! `GET /ws`: the events of any set of tasks over one WebSocket (RFC 6455). `docs/streaming.md` has the protocol.

mod guest;
mod inbound;
mod outbound;
mod place;
mod route;
mod socket;
mod subscription;
mod topics;
mod wire;

pub(crate) use place::Sockets;
pub(crate) use route::{__path_open, open};
pub(crate) use topics::Topics;
