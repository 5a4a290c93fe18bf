//! A foreign host of the tests: it answers as the test says, and remembers what it was asked.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An answer of the host.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How long it takes until the first byte.
    wait: Duration,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) path: String,
    /// All of its head, in small letters.
    pub(crate) head: String,
    pub(crate) at: Instant,
}

/// The host. It ends with the test.
pub(crate) struct Host {
    /// Its address, without a path.
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    /// What is said at a path, in turn; the last stays.
    said: HashMap<String, Vec<Said>>,
    heard: Vec<Heard>,
}

pub(crate) fn page(body: impl Into<Vec<u8>>) -> Said {
    Said {
        status: 200,
        headers: vec![("content-type", "text/html; charset=utf-8".into())],
        body: body.into(),
        wait: Duration::ZERO,
    }
}

pub(crate) fn json(body: &Value) -> Said {
    Said { headers: vec![("content-type", "application/json".into())], ..page(body.to_string()) }
}

pub(crate) fn status(status: u16) -> Said {
    Said { status, ..page("") }
}

/// A shop's page with this price in JSON-LD.
pub(crate) fn offer(price: &str) -> Said {
    page(format!(
        r#"<html><head><script type="application/ld+json">{{"@context":"https://schema.org","@type":"Product","name":"Kettle","sku":"K-1",
        "offers":{{"@type":"Offer","price":"{price}","priceCurrency":"EUR","availability":"https://schema.org/InStock"}}}}</script></head>
        <body><h1>Kettle</h1></body></html>"#
    ))
}

impl Said {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Compressed on the way.
    pub(crate) fn gzipped(self) -> Self {
        // `gzip` of the system: nothing of ours reads what it wrote itself.
        let mut child = std::process::Command::new("gzip")
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("gzip");
        let mut stdin = child.stdin.take().expect("its input");
        let body = self.body.clone();
        let writing = std::thread::spawn(move || stdin.write_all(&body));
        let out = child.wait_with_output().expect("gzip").stdout;
        writing.join().expect("a thread").expect("written");
        Self { body: out, ..self }.header("content-encoding", "gzip")
    }
}

impl Host {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let script: Arc<Mutex<Script>> = Arc::default();
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, script }
    }

    /// From now on it says this at a path: one after the other, and the last one for ever.
    pub(crate) fn says(&self, path: &str, said: impl IntoIterator<Item = Said>) {
        self.script.lock().expect("the script").said.insert(path.to_owned(), said.into_iter().collect());
    }

    /// What it was asked at a path.
    pub(crate) fn heard(&self, path: &str) -> Vec<Heard> {
        let script = self.script.lock().expect("the script");
        script.heard.iter().filter(|heard| heard.path == path).cloned().collect()
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head.to_ascii_lowercase();
        let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await.ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        let said = {
            let mut script = script.lock().expect("the script");
            script.heard.push(Heard { path: path.clone(), head: head.to_ascii_lowercase(), at: Instant::now() });
            match script.said.get_mut(&path) {
                Some(said) if said.len() > 1 => said.remove(0),
                Some(said) => said.first()?.clone(),
                None => status(404),
            }
        };
        tokio::time::sleep(said.wait).await;
        let mut answer = format!("HTTP/1.1 {} X\r\n", said.status);
        for (name, value) in &said.headers {
            answer += &format!("{name}: {value}\r\n");
        }
        answer += &format!("content-length: {}\r\n\r\n", said.body.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.write_all(&said.body).await.ok()?;
    }
}
