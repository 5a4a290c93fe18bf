//! A proxy between a process and one of its servers: it stalls, refuses, drops an answer, goes deaf.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// What a proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Hands them on.
    Pass,
    /// Keeps them until it does something else. Nothing is lost.
    Stall,
    /// Ends all connections and takes no new ones: nobody listens.
    Refuse,
    /// They vanish, and nothing is closed. A connection that lost some stays deaf for ever; its server is told when this ends.
    Deaf,
    /// The same, for what the process says.
    DeafToProcess,
    /// The same, for what the server says.
    DeafToServer,
}

/// A proxy on a port of its own. Its connections end with this value.
#[derive(Debug)]
pub struct Proxy {
    /// Where a process finds the server behind it.
    pub url: String,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What a proxy shares with its connections.
#[derive(Debug, Default)]
struct Shared {
    /// What marks the requests whose answers are dropped.
    marks: Mutex<Vec<Vec<u8>>>,
    /// How many connections lost bytes.
    torn: AtomicUsize,
}

impl Proxy {
    /// A proxy in front of a private Postgres or Redis.
    ///
    /// # Panics
    /// When the server does not listen on a Unix socket.
    pub async fn before(server_url: &str) -> Self {
        let url = Url::parse(server_url).expect("the address of a server");
        if url.scheme().starts_with("redis") {
            let mut proxy = Self::start(Path::new(url.path())).await;
            proxy.url = format!("redis://{}", proxy.url);
            return proxy;
        }
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let (host, port) = parameter("host").zip(parameter("port")).expect("a Unix socket");
        let mut proxy = Self::start(&Path::new(&host).join(format!(".s.PGSQL.{port}"))).await;
        let user = parameter("user").expect("a user");
        proxy.url = format!("postgres://{user}@{}{}?sslmode=disable", proxy.url, url.path());
        proxy
    }

    /// A proxy in front of a Unix socket; its address is the URL.
    async fn start(server: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("the address of a socket");
        let (mode, seen) = watch::channel(Mode::Pass);
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(listen(listener, address, server.to_owned(), seen, shared.clone()));
        Self { url: address.to_string(), mode, shared, task }
    }

    /// Does this from now on, with connections that exist as with new ones.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Hands on the first request that has `mark` in it, swallows the answer, and resets the connection.
    pub fn drop_answer_to(&self, mark: impl AsRef<[u8]>) {
        self.shared.marks().push(mark.as_ref().to_vec());
    }

    /// How many of these answers are still to be dropped.
    #[must_use]
    pub fn to_drop(&self) -> usize {
        self.shared.marks().len()
    }

    /// How many connections have lost bytes until now.
    #[must_use]
    pub fn torn(&self) -> usize {
        self.shared.torn.load(Relaxed)
    }
}

impl Shared {
    fn marks(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a mark is in the bytes; each counts once.
    fn take_mark(&self, bytes: &[u8]) -> bool {
        let mut marks = self.marks();
        let before = marks.len();
        marks.retain(|mark| !bytes.windows(mark.len()).any(|window| window == mark));
        marks.len() < before
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: TcpListener,
    address: SocketAddr,
    server: PathBuf,
    mut mode: watch::Receiver<Mode>,
    shared: Arc<Shared>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            connections.shutdown().await;
            let _ = mode.wait_for(|mode| *mode != Mode::Refuse).await;
        }
        let taking = match listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(address).await.expect("the same port again"),
        };
        tokio::select! {
            Ok((client, _)) = taking.accept() => {
                let (server, mode, shared) = (server.clone(), mode.clone(), shared.clone());
                connections.spawn(async move {
                    // A server that is away is an end of the connection here.
                    if let Ok(server) = UnixStream::connect(server).await {
                        let _ = carry(client, server, mode, &shared).await;
                    }
                });
            }
            _ = mode.changed() => {}
            Some(_) = connections.join_next() => {}
        }
        listener = Some(taking);
    }
}

/// Carries bytes between the two ends of one connection until one of them closes it.
async fn carry(
    mut client: TcpStream,
    server: UnixStream,
    mut mode: watch::Receiver<Mode>,
    shared: &Shared,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut said, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut server = Some(server);
    // Whether bytes have vanished, and whether the next answer is dropped.
    let (mut torn, mut doomed) = (false, false);
    loop {
        let (by_client, count) = tokio::select! {
            count = client.read(&mut said) => (true, count?),
            count = hear(&mut server, &mut answered) => (false, count?),
            _ = mode.changed() => {
                if torn && *mode.borrow_and_update() == Mode::Pass {
                    server = None;
                }
                continue;
            }
        };
        let now = *mode.wait_for(|mode| *mode != Mode::Stall).await.map_err(io::Error::other)?;
        let vanishes = now == Mode::Deaf || now == if by_client { Mode::DeafToProcess } else { Mode::DeafToServer };
        if vanishes && count == 0 {
            // Not even the end is noticed. The other side is told when it can be.
            mode.wait_for(|mode| *mode == Mode::Pass).await.map_err(io::Error::other)?;
            return Ok(());
        }
        if vanishes && !torn {
            torn = true;
            shared.torn.fetch_add(1, Relaxed);
        }
        if count == 0 {
            return Ok(());
        }
        let Some(server) = server.as_mut().filter(|_| !torn) else { continue };
        if by_client {
            doomed |= shared.take_mark(&said[..count]);
            server.write_all(&said[..count]).await?;
        } else if doomed {
            // Postgres and Redis answer when they are done: what was asked has happened.
            return client.set_zero_linger();
        } else {
            client.write_all(&answered[..count]).await?;
        }
    }
}

/// What the server says; nothing, for ever, when it is not there any more.
async fn hear(server: &mut Option<UnixStream>, buffer: &mut [u8]) -> io::Result<usize> {
    match server {
        Some(server) => server.read(buffer).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::net::UnixListener;

    use super::*;
    use crate::soon;

    const SOON: Duration = Duration::from_secs(10);
    /// Long enough for a byte to arrive on a machine that has other things to do.
    const SILENCE: Duration = Duration::from_millis(200);

    /// A server that says everything back, and a proxy in front of it.
    async fn echo() -> (Proxy, TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let socket = dir.path().join("echo");
        let listener = UnixListener::bind(&socket).expect("a socket");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        (Proxy::start(&socket).await, dir)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(&proxy.url).await.expect("a connection")
    }

    async fn say(stream: &mut TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).await.expect("it is sent");
    }

    /// What comes back: the bytes, `None` for the end of the connection.
    async fn heard(stream: &mut TcpStream) -> Option<String> {
        let mut buffer = [0; 64];
        let count = soon("an answer", SOON, stream.read(&mut buffer)).await.unwrap_or(0);
        (count > 0).then(|| String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    async fn is_silent(stream: &mut TcpStream) -> bool {
        tokio::time::timeout(SILENCE, stream.read(&mut [0; 64])).await.is_err()
    }

    #[tokio::test]
    async fn it_passes_and_what_it_stalled_is_late_and_not_lost() {
        let (proxy, _dir) = echo().await;
        let mut stream = connect(&proxy).await;
        say(&mut stream, "one").await;
        assert_eq!(heard(&mut stream).await.as_deref(), Some("one"));

        proxy.set(Mode::Stall);
        say(&mut stream, "two").await;
        assert!(is_silent(&mut stream).await);
        proxy.set(Mode::Pass);
        assert_eq!(heard(&mut stream).await.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn it_refuses_and_is_found_again_at_the_same_place() {
        let (proxy, _dir) = echo().await;
        let mut stream = connect(&proxy).await;
        say(&mut stream, "one").await;
        assert_eq!(heard(&mut stream).await.as_deref(), Some("one"));

        proxy.set(Mode::Refuse);
        assert_eq!(heard(&mut stream).await, None);
        let refused = TcpStream::connect(&proxy.url).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

        proxy.set(Mode::Pass);
        let mut stream = soon("a connection", SOON, async {
            loop {
                if let Ok(stream) = TcpStream::connect(&proxy.url).await {
                    return stream;
                }
            }
        })
        .await;
        say(&mut stream, "two").await;
        assert_eq!(heard(&mut stream).await.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn it_drops_one_answer_and_ends_that_connection_alone() {
        let (proxy, _dir) = echo().await;
        let (mut stream, mut other) = (connect(&proxy).await, connect(&proxy).await);
        proxy.drop_answer_to("mark");
        say(&mut stream, "one").await;
        assert_eq!(heard(&mut stream).await.as_deref(), Some("one"));
        assert_eq!(proxy.to_drop(), 1);

        say(&mut stream, "a mark in it").await;
        assert_eq!(heard(&mut stream).await, None);
        assert_eq!(proxy.to_drop(), 0);
        say(&mut other, "the mark again").await;
        assert_eq!(heard(&mut other).await.as_deref(), Some("the mark again"));
    }

    #[tokio::test]
    async fn a_connection_that_lost_bytes_is_deaf_for_ever_and_others_are_not() {
        let (proxy, _dir) = echo().await;
        for (nth, mode) in [Mode::Deaf, Mode::DeafToProcess, Mode::DeafToServer].into_iter().enumerate() {
            let (mut stream, mut idle) = (connect(&proxy).await, connect(&proxy).await);
            proxy.set(mode);
            say(&mut stream, "one").await;
            assert!(is_silent(&mut stream).await, "{mode:?}");
            assert_eq!(proxy.torn(), nth + 1);
            proxy.set(Mode::Pass);
            say(&mut stream, "two").await;
            assert!(is_silent(&mut stream).await, "{mode:?}");
            for other in [&mut idle, &mut connect(&proxy).await] {
                say(other, "three").await;
                assert_eq!(heard(other).await.as_deref(), Some("three"), "{mode:?}");
            }
        }
    }
}
