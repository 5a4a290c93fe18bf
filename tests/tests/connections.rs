//! Connections: their number, how long they may take to say something, both versions of HTTP, and their end.

use std::time::{Duration, Instant};

use e2e::{System, eventually};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);
/// So many clients that send a letter now and then.
const SLOW: usize = 500;

async fn connect(system: &System) -> TcpStream {
    let address = system.client.url.strip_prefix("http://").expect("the address of the API");
    TcpStream::connect(address).await.expect("a connection")
}

/// All that the server says until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the end of the connection").expect("what was said");
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn slow_clients_disturb_nobody_and_are_sent_away() {
    let system = System::builder().without_scheduler().env("LONGSHORE_API_HEADER_TIMEOUT", "2s").start().await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = connect(&system).await;
        stream.write_all(b"GET /api/v1/ping HTTP/1.1\r\nHost: slow\r\nX-Letter: a").await.expect("sent");
        slow.push(stream);
    }
    let mut longest = Duration::ZERO;
    while began.elapsed() < Duration::from_millis(1_500) {
        let asked = Instant::now();
        system.client.get("/ping").await.expect(200);
        longest = longest.max(asked.elapsed());
        // A letter more does not buy them time.
        slow[0].write_all(b"b").await.expect("sent");
    }
    assert!(longest < Duration::from_secs(1), "a ping took {longest:?} beside {SLOW} slow clients");
    for stream in &mut slow {
        assert!(rest(stream).await.starts_with("HTTP/1.1 408 "), "they are told");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let system = System::builder()
        .without_scheduler()
        .env("LONGSHORE_API_HEADER_TIMEOUT", "300ms")
        .env("LONGSHORE_API_IDLE_TIMEOUT", "2s")
        .start()
        .await;
    let mut stream = connect(&system).await;
    let ping = b"GET /api/v1/ping HTTP/1.1\r\nHost: idle\r\n\r\n";
    let mut buffer = [0; 4096];
    for _ in 0..2 {
        stream.write_all(ping).await.expect("sent");
        let length = timeout(SOON, stream.read(&mut buffer)).await.expect("an answer").expect("read");
        assert!(buffer[..length].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..length]));
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    let idle = Instant::now();
    assert_eq!(rest(&mut stream).await, "", "it is closed without a word");
    assert!(idle.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn headers_are_bounded() {
    let system = System::builder().without_scheduler().start().await;
    let mut stream = connect(&system).await;
    let long = format!("GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(20_000));
    // It may be refused before all of it was sent.
    drop(stream.write_all(long.as_bytes()).await);
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
    let fits = system.client.request(Method::GET, "/ping").header("x-long", "a".repeat(8_000));
    system.client.send(fits).await.expect(200);
}

#[tokio::test]
async fn more_connections_than_may_be_are_told_when_to_come_back() {
    let system =
        System::builder().without_scheduler().env("LONGSHORE_API_MAX_CONNECTIONS_PER_ADDRESS", "20").start().await;
    let mut open = Vec::new();
    let refused = loop {
        let mut stream = connect(&system).await;
        stream.write_all(b"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        let mut buffer = [0; 4096];
        let length = timeout(SOON, stream.read(&mut buffer)).await.expect("an answer").expect("read");
        let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !said.starts_with("HTTP/1.1 200 ") {
            break said;
        }
        open.push(stream);
        assert!(open.len() <= 20, "too many are open");
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: 5"), "{refused}");
    assert!(open.len() >= 10, "{}", open.len());
    // Who leaves makes room.
    drop(open);
    eventually("there is room again", SOON, async || {
        let ping = system.client.try_send(system.client.request(Method::GET, "/ping")).await;
        ping.is_ok_and(|ping| ping.status.is_success()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn http_2_is_spoken_without_an_upgrade() {
    let system = System::with_worker("default=4").await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let request = http.post(format!("{}/api/v1/tasks", system.client.url)).bearer_auth(&system.client.key);
    let answer = request.header("prefer", "wait=20").json(&json!({ "kind": "echo", "input": {} })).send().await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    let many = (0..200).map(|_| http.get(format!("{}/api/v1/ping", system.client.url)).send());
    for answer in futures::future::join_all(many).await {
        assert_eq!(answer.expect("an answer").status().as_u16(), 200, "more than may run at once wait for their turn");
    }
}

#[tokio::test]
async fn a_server_that_stops_answers_what_runs_and_closes_what_is_idle() {
    let mut system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    let client = system.client.clone();
    let waiting = tokio::spawn(async move { client.get(&format!("/tasks/{id}?wait=60")).await });
    let mut idle = connect(&system).await;
    eventually("the wait has begun", SOON, async || {
        let metrics = system.client.get("/metrics").await.expect(200);
        let text = String::from_utf8(metrics.bytes).expect("text");
        // The wait, and this.
        text.lines().any(|line| line == "longshore_http_requests_in_flight 2").then_some(())
    })
    .await;
    let began = Instant::now();
    let mut api = system.api.take().expect("an API");
    api.sigterm();
    assert_eq!(timeout(SOON, waiting).await.expect("an answer").expect("no panic").status.as_u16(), 200);
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(api.exit_code(SOON).await, 0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
