//! A WebSocket, as a client that is not the server's code sees it.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use crate::{Client, wait::soon};

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    web: WebSocketStream<TcpStream>,
}

impl Socket {
    /// Opens a socket, with the key of the client if it has one.
    ///
    /// # Panics
    /// When the server opens none.
    pub async fn open(client: &Client) -> Self {
        Self::open_on(TcpSocket::new_v4().expect("a socket"), client).await
    }

    /// The same, for a client that takes little at a time.
    ///
    /// # Panics
    /// As [`Socket::open`].
    pub async fn open_narrow(client: &Client) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        Self::open_on(socket, client).await
    }

    async fn open_on(socket: TcpSocket, Client { url, key, .. }: &Client) -> Self {
        let url = format!("{url}/api/v1/ws");
        let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address");
        let stream = socket.connect(address.parse().expect("host and port")).await.expect("a connection");
        let mut request = url.replacen("http", "ws", 1).into_client_request().expect("a request");
        if !key.is_empty() {
            let bearer = format!("Bearer {key}").parse().expect("a header");
            request.headers_mut().insert("authorization", bearer);
        }
        let (web, _) = client_async(request, stream).await.expect("a socket");
        Self { web }
    }

    /// Sends a message.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn say(&mut self, message: &Value) {
        self.web.send(Message::text(message.to_string())).await.expect("an open socket");
    }

    /// Sends a text as it is.
    ///
    /// # Panics
    /// When the socket is closed.
    pub async fn say_text(&mut self, text: String) {
        self.web.send(Message::text(text)).await.expect("an open socket");
    }

    /// The next message of the server; pings aside.
    ///
    /// # Panics
    /// When there is none within `bound`, or the socket is closed.
    pub async fn hear(&mut self, bound: Duration) -> Value {
        soon("the next message", bound, async {
            loop {
                match self.web.next().await.expect("an open socket").expect("a message") {
                    Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                    Message::Close(frame) => panic!("closed: {frame:?}"),
                    _ => {}
                }
            }
        })
        .await
    }

    /// Messages until one that `last` names, which is the last.
    ///
    /// # Panics
    /// As [`Socket::hear`].
    pub async fn until(&mut self, bound: Duration, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear(bound).await;
            let is_last = last(&message);
            heard.push(message);
            if is_last {
                return heard;
            }
        }
    }

    /// Waits until the server closes the socket, and gives its code.
    ///
    /// # Panics
    /// When it does not within `bound`.
    pub async fn closed(&mut self, bound: Duration) -> u16 {
        soon("the end of the socket", bound, async {
            loop {
                if let Message::Close(frame) = self.web.next().await.expect("a last word").expect("a message") {
                    return frame.map_or(1005, |CloseFrame { code, .. }| code.into());
                }
            }
        })
        .await
    }
}
