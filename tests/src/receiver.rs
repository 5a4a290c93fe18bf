//! A receiver of webhooks that answers as a test says, and remembers every request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::wait::eventually;

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its last byte came.
    pub at: Instant,
    /// Its path.
    pub path: String,
    /// Its headers, by names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// How many came over the same connection before it.
    pub nth: usize,
}

impl Received {
    /// A header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The id of its message.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("webhook-id").expect("a webhook has an id")
    }

    /// Its body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// Which sort of event it tells.
    #[must_use]
    pub fn event(&self) -> String {
        self.json()["type"].as_str().expect("an event has a type").to_owned()
    }
}

/// How a receiver answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With a status, and headers.
    Status(u16, Vec<(&'static str, String)>),
    /// With a status, after a while.
    Late(u16, Duration),
    /// Not at all: the connection stays open.
    Hang,
    /// The connection is reset.
    Reset,
}

impl Reply {
    /// A status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new())
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// A receiver on a port of its own.
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// One that answers by this script.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &*script, &log).await });
            }
        });
        Self { address, seen, task }
    }

    /// One that receives everything.
    pub async fn ok() -> Self {
        Self::start(|_| Reply::status(204)).await
    }

    /// Its address.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that it received so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All that it received, once that are so many.
    ///
    /// # Panics
    /// When there are not so many within `bound`.
    pub async fn wait(&self, count: usize, bound: Duration) -> Vec<Received> {
        eventually(&format!("{count} requests"), bound, async || (self.count() >= count).then(|| self.seen())).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).field("count", &self.count()).finish()
    }
}

async fn serve(stream: TcpStream, script: &Script, log: &Mutex<Vec<Received>>) {
    let mut stream = BufReader::new(stream);
    for nth in 0.. {
        let Some(received) = read(&mut stream, nth).await else { return };
        let reply = script(&received);
        log.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        let (status, headers) = match reply {
            Reply::Status(status, headers) => (status, headers),
            Reply::Late(status, wait) => {
                tokio::time::sleep(wait).await;
                (status, Vec::new())
            }
            Reply::Hang => std::future::pending().await,
            Reply::Reset => {
                let _ = rustix::net::sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
                return;
            }
        };
        let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        if stream.get_mut().write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, nth: usize) -> Option<Received> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|header| header.0 == "content-length").and_then(|header| header.1.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { at: Instant::now(), path, headers, body: String::from_utf8(body).ok()?, nth })
}
