//! What a receiver may do to whoever asks it: be slow, be long, be wrong, go away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use jobs_outbound::{Answer, Cause, Error, Failure, Limits, Method, Outbound, OutboundConfig, Phase, Request};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::TcpStream,
    time::sleep,
};

use crate::{
    FRIEND, asking, config,
    names::Names,
    outbound,
    receiver::{Receiver, ok, read},
};

const ANY: SocketAddr = SocketAddr::new(FRIEND, 0);

fn get(receiver: &Receiver) -> Request {
    Request::new(Method::GET, receiver.url())
}

fn failed(answered: Result<Answer, Error>) -> Failure {
    match answered {
        Ok(answer) => panic!("answered {}", answer.status),
        Err(Error { cause: Cause::Failed(failure), .. }) => failure,
        Err(err) => panic!("{err}"),
    }
}

/// A client with less patience than usual.
fn hasty(first_byte: u64, total: u64) -> Outbound {
    let limits = Limits {
        first_byte: Duration::from_millis(first_byte),
        total: Duration::from_millis(total),
        ..config().limits
    };
    Outbound::new(OutboundConfig { limits, ..config() }).unwrap()
}

/// Reads a request, then says `start`, and `again` for as long as somebody listens, with a pause between.
async fn endless(start: &'static str, again: &'static [u8], pause: Duration) -> (Receiver, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let receiver = Receiver::raw(ANY, move |stream, _| {
        let count = Arc::clone(&count);
        async move {
            let mut stream = BufReader::new(stream);
            read(&mut stream).await;
            let _ = stream.write_all(start.as_bytes()).await;
            while stream.write_all(again).await.is_ok() {
                count.fetch_add(again.len(), Ordering::SeqCst);
                sleep(pause).await;
            }
        }
    });
    (receiver.await, sent)
}

/// Reads a request, says `bytes`, and closes.
async fn says(bytes: Vec<u8>) -> Receiver {
    Receiver::raw(ANY, move |stream, _| {
        let bytes = bytes.clone();
        async move {
            let mut stream = BufReader::new(stream);
            read(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

#[test]
fn a_client_is_made_before_there_is_a_runtime() {
    let outbound = outbound();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(async move {
        let receiver = Receiver::answering(FRIEND, |_| ok("")).await;
        outbound.send(get(&receiver)).await.unwrap().url
    });
    assert_eq!(url.path(), "/");
}

#[tokio::test]
async fn a_post_arrives_and_its_answer_is_read() {
    let receiver = Receiver::answering(FRIEND, |_| ok("thanks")).await;
    let request = Request::new(Method::POST, format!("{}hook?a=b", receiver.url())).body("{}");
    let request = request.header("webhook-id".parse().unwrap(), "msg_1".parse().unwrap());

    let mut answer = outbound().send(request).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.all().await.unwrap(), "thanks");

    let [seen] = &receiver.seen()[..] else { panic!("one request") };
    assert!(seen.head.starts_with("post /hook?a=b http/1.1\r\n"), "{}", seen.head);
    for line in ["webhook-id: msg_1", "user-agent: longshore/", "accept-encoding: gzip, br, zstd, deflate"] {
        assert!(seen.head.contains(line), "{}", seen.head);
    }
    assert!(seen.head.contains(&format!("\r\nhost: {}\r\n", receiver.address)), "{}", seen.head);
    assert_eq!(seen.body, b"{}");
}

#[tokio::test]
async fn a_connection_is_used_again_and_says_so() {
    let receiver = Receiver::answering(FRIEND, |_| ok("thanks")).await;
    let outbound = outbound();
    for nth in 0..20 {
        let mut answer = outbound.send(get(&receiver)).await.unwrap();
        let timings = answer.timings;
        assert_eq!((timings.reused, timings.connect.is_some()), (nth > 0, nth == 0), "{timings:?}");
        assert!(timings.first_byte.unwrap() <= timings.total, "{timings:?}");
        assert_eq!(answer.body.head(100).await.unwrap(), ("thanks".into(), false));
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_delivery() {
    // It keeps each connection for one request, and closes it without a word when the second one comes.
    let receiver = Receiver::raw(ANY, |stream, _| async {
        let mut stream = BufReader::new(stream);
        read(&mut stream).await;
        let _ = stream.write_all(ok("").as_bytes()).await;
        read(&mut stream).await;
    })
    .await;
    let outbound = outbound();
    let post = || Request::new(Method::POST, receiver.url()).body("{}");

    for _ in 0..2 {
        outbound.send(post().repeatable(true)).await.unwrap();
    }
    assert_eq!(receiver.connections(), 2, "sent again over a new one");
    // Whoever says nothing of repetition gets none.
    assert_eq!(failed(outbound.send(post()).await), Failure::Closed);
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_trickles_is_given_up() {
    let (receiver, _) = endless("HTTP/1.1 200 OK\r\n", b"a", Duration::from_millis(20)).await;
    let start = Instant::now();
    let failure = failed(hasty(300, 5_000).send(get(&receiver)).await);
    assert_eq!(failure, Failure::Timeout { phase: Phase::Head, after: Duration::from_millis(300) });

    let (receiver, _) = endless("HTTP/1.1 200 OK\r\n\r\n", b"a", Duration::from_millis(20)).await;
    let mut answer = hasty(5_000, 400).send(get(&receiver)).await.unwrap();
    let failure = answer.body.all().await.unwrap_err();
    assert_eq!(failure, Failure::Timeout { phase: Phase::Body, after: Duration::from_millis(400) });
    assert_eq!(answer.body.piece().await.unwrap_err(), failure, "and stays given up");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn silence_and_endless_promises_are_given_up() {
    let (receiver, _) = endless("", b"", Duration::from_millis(20)).await;
    assert!(matches!(
        failed(hasty(300, 5_000).send(get(&receiver)).await),
        Failure::Timeout { phase: Phase::Head, .. }
    ));
    let (receiver, _) = endless("", b"HTTP/1.1 100 Continue\r\n\r\n", Duration::from_millis(1)).await;
    assert!(matches!(
        failed(hasty(300, 5_000).send(get(&receiver)).await),
        Failure::Timeout { phase: Phase::Head, .. }
    ));

    // A name server that does not answer.
    let names = Names::serve(&[("silent.test", &[])]).await;
    let outbound = asking(names.address, OutboundConfig { connect: Duration::from_millis(300), ..config() });
    let err = outbound.send(Request::new(Method::GET, "http://silent.test/")).await.err().unwrap();
    assert_eq!(err.cause.code(), "connect_timeout");
    assert!(err.timings.total < Duration::from_secs(3), "{:?}", err.timings);
    let err = outbound.send(Request::new(Method::GET, "http://nobody.test/")).await.err().unwrap();
    assert_eq!(err.cause.code(), "name_unknown");

    // A TLS server that does not shake hands.
    let outbound = Outbound::new(OutboundConfig { connect: Duration::from_millis(300), ..config() }).unwrap();
    let (receiver, _) = endless("", b"", Duration::from_millis(20)).await;
    let err = outbound.send(Request::new(Method::GET, format!("https://{}/", receiver.address))).await.err().unwrap();
    assert_eq!(err.cause.code(), "connect_timeout");
    assert!(err.timings.connect.is_some() && err.timings.tls.is_none(), "{:?}", err.timings);
}

#[tokio::test]
async fn a_head_without_end_is_cut_off_early() {
    let line: &[u8] =
        b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    let (receiver, _) = endless("HTTP/1.1 200 OK\r\n", line, Duration::ZERO).await;
    assert!(matches!(failed(outbound().send(get(&receiver)).await), Failure::Head { .. }));

    let (receiver, sent) = endless("HTTP/1.1 200 OK\r\nx: ", &[b'a'; 4_096], Duration::ZERO).await;
    assert!(matches!(failed(outbound().send(get(&receiver)).await), Failure::Head { .. }));
    // What was sent beyond the limit lies in the buffers of the system.
    assert!(sent.load(Ordering::SeqCst) < 16 << 20, "{sent:?}");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_at_the_limit() {
    let (receiver, _) = endless("HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 4_096], Duration::ZERO).await;
    let mut answer = outbound().send(get(&receiver)).await.unwrap();
    let limit = config().limits.wire_bytes;
    assert_eq!(answer.body.all().await.unwrap_err(), Failure::Body { limit, decoded: false });
    assert!(answer.body.wire_bytes() < 2 * limit, "{}", answer.body.wire_bytes());

    // One that says so beforehand is not read at all.
    let receiver = says(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec()).await;
    let mut answer = outbound().send(get(&receiver)).await.unwrap();
    assert_eq!(answer.body.all().await.unwrap_err(), Failure::Body { limit, decoded: false });
}

#[tokio::test]
async fn a_bomb_is_left_before_it_grows() {
    let zeros = vec![0; 1 << 20];
    // Members of gzip and frames of zstd may stand in a row: ten thousand of a megabyte are ten gigabytes.
    let gzip = deflated("gzip", &zeros).await.repeat(10_000);
    let zstd = deflated("zstd", &zeros).await.repeat(10_000);
    let brotli = deflated("br", &vec![0; 8 << 20]).await;
    let zlib = deflated("deflate", &vec![0; 8 << 20]).await;
    drop(zeros);
    let limits = Limits { wire_bytes: 32 << 20, ..config().limits };

    let before = peak_rss_bytes();
    for (encoding, bomb) in [("gzip", gzip), ("zstd", zstd), ("br", brotli), ("deflate", zlib)] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", bomb.len());
        let receiver = says([head.into_bytes(), bomb].concat()).await;
        let mut answer = outbound().send(get(&receiver).limits(limits)).await.unwrap();
        let mut decoded = 0;
        let failure = loop {
            match answer.body.piece().await {
                Ok(Some(piece)) => decoded += piece.len() as u64,
                Ok(None) => panic!("{encoding}: it ended"),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure, Failure::Body { limit: limits.body_bytes, decoded: true }, "{encoding}");
        assert!(decoded <= limits.body_bytes, "{encoding}: {decoded}");
        assert!(answer.body.wire_bytes() < 2 << 20, "{encoding}: {}", answer.body.wire_bytes());
    }
    // Two copies of the largest bomb are the receiver's; the client adds next to nothing.
    let grown = peak_rss_bytes() - before;
    assert!(grown < 64 << 20, "{grown}");
}

#[tokio::test]
async fn a_stranger_does_not_choose_our_memory() {
    // A frame of zstd that wants a window of 128 MiB, and then says one byte.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x09, 0x00, 0x00, 0x61];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n\r\n", frame.len());
    let receiver = says([head.as_bytes(), &frame].concat()).await;
    let mut answer = outbound().send(get(&receiver)).await.unwrap();
    assert_eq!(answer.body.all().await.unwrap_err(), Failure::Corrupt);
}

#[tokio::test]
async fn each_encoding_is_decoded() {
    for encoding in ["gzip", "br", "zstd", "deflate", "x-gzip", "GZIP"] {
        let body = deflated(&encoding.to_lowercase().replace("x-", ""), b"hello, hello, hello").await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
        let receiver = says([head.as_bytes(), &body].concat()).await;
        let mut answer = outbound().send(get(&receiver)).await.unwrap();
        assert_eq!(answer.body.all().await.unwrap(), "hello, hello, hello", "{encoding}");
        assert_eq!(answer.body.wire_bytes(), body.len() as u64);

        // Cut off, it is not taken for whole.
        let receiver = says([head.as_bytes(), &body[..body.len() / 2]].concat()).await;
        let mut answer = outbound().send(get(&receiver)).await.unwrap();
        assert_eq!(answer.body.all().await.unwrap_err(), Failure::Closed, "{encoding}");
    }
    for (encoding, failure) in [
        ("gzip", Failure::Corrupt),
        ("gzip, gzip", Failure::Encoding("gzip, gzip".into())),
        ("rot13", Failure::Encoding("rot13".into())),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: 5\r\n\r\nplain");
        let receiver = says(answer.into_bytes()).await;
        let mut answer = outbound().send(get(&receiver)).await.unwrap();
        assert_eq!(answer.status, 200, "the head stands, whatever the body is");
        assert_eq!(answer.body.all().await.unwrap_err(), failure);
    }
    // An answer without a body has nothing to decode.
    let receiver = says(b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n".to_vec()).await;
    assert_eq!(outbound().send(get(&receiver)).await.unwrap().body.all().await.unwrap(), "");
}

#[tokio::test]
async fn whoever_hangs_up_or_talks_otherwise_is_told_apart() {
    let outbound = outbound();
    let reset = |start: &'static [u8]| {
        Receiver::raw(ANY, move |stream: TcpStream, _| async move {
            let mut stream = BufReader::new(stream);
            read(&mut stream).await;
            stream.write_all(start).await.unwrap();
            // With unread data or this, closing is a reset.
            stream.get_ref().set_zero_linger().unwrap();
        })
    };
    assert_eq!(failed(outbound.send(get(&reset(b"").await)).await), Failure::Closed);
    assert_eq!(failed(outbound.send(get(&reset(b"HTTP/1.1 200 OK\r\n").await)).await), Failure::Closed);
    assert_eq!(failed(outbound.send(get(&says(Vec::new()).await)).await), Failure::Closed);

    let receiver = says(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()).await;
    let mut answer = outbound.send(get(&receiver)).await.unwrap();
    assert_eq!(answer.body.all().await.unwrap_err(), Failure::Closed);

    let receiver = says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await;
    assert!(matches!(failed(outbound.send(get(&receiver)).await), Failure::Protocol(_)));

    let gone = Receiver::answering(FRIEND, |_| ok("")).await.url();
    tokio::task::yield_now().await;
    let refused = failed(outbound.send(Request::new(Method::GET, gone)).await);
    assert_eq!(refused.to_string(), "cannot connect: connection refused");
}

async fn deflated(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    macro_rules! through {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    match encoding {
        "gzip" => through!(GzipEncoder),
        "br" => through!(BrotliEncoder),
        "zstd" => through!(ZstdEncoder),
        _ => through!(ZlibEncoder),
    }
}

/// The most memory that this process has had.
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
