//! One HTTP/1.1 connection, kept open.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    key: Option<HeaderValue>,
}

impl Connection {
    /// Connects. Each request has the key, if there is one.
    pub(crate) async fn open(address: SocketAddr, key: Option<HeaderValue>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the connection; what went wrong is told by the request.
        tokio::spawn(driver);
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())?, key })
    }

    /// A request to this server.
    pub(crate) fn request(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key);
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        Ok(request.body(Full::new(body))?)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let response = self.open_answer(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("read the answer")?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Sends a request and gives the answer as soon as its head is there.
    pub(crate) async fn open_answer(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<hyper::Response<Incoming>> {
        self.sender.ready().await.context("the connection was closed")?;
        self.sender.send_request(request).await.context("send a request")
    }

    /// Reads a resource that must be there.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        self.send(request).await?.expect(StatusCode::OK)
    }

    /// Sends JSON with a method.
    pub(crate) async fn send_json(&mut self, method: Method, path: &str, body: String) -> anyhow::Result<Answer> {
        let request = self.request(method, path, body.into())?;
        self.send(request).await
    }
}

impl Answer {
    /// The answer, if it has this status.
    pub(crate) fn expect(self, status: StatusCode) -> anyhow::Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        anyhow::bail!("answered {} instead of {status}: {}", self.status, text.chars().take(500).collect::<String>())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).context("read JSON")
    }
}
