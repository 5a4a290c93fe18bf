//! `longshore webhooks listen`: a receiver on this machine that verifies what it hears and prints it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jobs_webhooks::{
    Secret,
    sign::{self, Doubt},
};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{text, words};
use crate::client::{
    connect::Connect,
    exit::Exit,
    failure::Failure,
    get::pretty,
    http::Http,
    interrupt::or_interrupt,
    screen::{Paint, Screen},
};

/// No event is longer.
const BODY: usize = 1 << 20;
/// Whoever connects says something in this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// The options of `longshore webhooks listen`.
#[derive(Args, Debug)]
#[command(after_help = "\
Without --secret it makes a webhook on the server for as long as it runs. The server must be allowed
to reach this machine: `longshore up --local-webhooks`, or LONGSHORE_OUTBOUND_ALLOW.

Examples:
  longshore webhooks listen
  longshore webhooks listen --event 'task.*' --bind 127.0.0.1:9000
  longshore webhooks listen --secret whsec_... --bind 0.0.0.0:9000     for a webhook that is there")]
pub(super) struct Listen {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    bind: SocketAddr,

    /// Of which events; can be given again [default: all]
    #[arg(long = "event", value_name = "PATTERN", conflicts_with = "secret")]
    events: Vec<String>,

    /// Make no webhook: verify what comes with this secret
    #[arg(long, env = "LONGSHORE_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    secret: Option<String>,

    /// End after so many events that are genuine
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Print events as they come, one JSON text a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: Connect,
}

/// What every connection needs to know.
struct Desk {
    secret: Secret,
    screen: Screen,
    json: bool,
    heard: tokio::sync::mpsc::UnboundedSender<()>,
}

impl Listen {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let cannot = |error: std::io::Error| Failure::Local(format!("cannot listen on {}: {error}", self.bind));
        let listener = TcpListener::bind(self.bind).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (secret, made) = match &self.secret {
            Some(text) => (text.clone(), None),
            None => {
                let http = Http::new(&self.connect, screen)?;
                let (secret, id) = self.make(&http, address).await?;
                (secret, Some((http, id)))
            }
        };
        let secret = Secret::read(&secret).map_err(|error| Failure::Usage(format!("--secret: {error}")))?;
        screen.note(&format!("listening on http://{address}/, Ctrl-C ends it"));
        let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
        let desk = Arc::new(Desk { secret, screen: screen.clone(), json: self.json, heard });
        let enough = async {
            let mut count = 0;
            while hearing.recv().await.is_some() {
                count += 1;
                if self.count.is_some_and(|most| count >= most) {
                    return;
                }
            }
        };
        or_interrupt(async {
            tokio::select! {
                () = serve(listener, desk) => {}
                () = enough => {}
            }
        })
        .await;
        if let Some((http, id)) = made {
            http.delete(http.url(&["webhooks", &id])).await?;
        }
        Ok(Exit::Ok)
    }

    /// A webhook for as long as this runs: its secret, and its id.
    async fn make(&self, http: &Http, address: SocketAddr) -> Result<(String, String), Failure> {
        let events = if self.events.is_empty() { vec!["*".to_owned()] } else { self.events.clone() };
        let body = json!({ "url": format!("http://{address}/"), "events": events, "description": "longshore webhooks listen" });
        let made = http.post(http.url(&["webhooks"]), Some(&body), HeaderMap::new()).await?;
        let word = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok((word("/secret"), word("/webhook/id")))
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open, perhaps: some close soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&desk), request));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A client that goes away is its own affair.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = |status: StatusCode, said: String| {
        let mut response = Response::new(Full::new(Bytes::from(said)));
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::POST {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, "POST an event here".to_owned()));
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY).collect().await else {
        return Ok(reply(StatusCode::BAD_REQUEST, "the body breaks off, or is too long".to_owned()));
    };
    let body = body.to_bytes();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed());
    let verified =
        sign::verify(&desk.secret, header(sign::ID), header(sign::TIMESTAMP), header(sign::SIGNATURE), &body, now);
    if let Err(doubt) = verified {
        let why = match doubt {
            Doubt::Time => "its time is no time, or more than five minutes from ours",
            Doubt::Signature => "no signature is one of this secret",
        };
        desk.screen.note(&format!("refused a request that is not to be believed: {why}"));
        return Ok(reply(StatusCode::UNAUTHORIZED, why.to_owned()));
    }
    let event: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    // Nobody may be reading any more: what was received is received.
    let _ = desk.tell(&event);
    // Whoever counts may have heard enough.
    let _ = desk.heard.send(());
    Ok(reply(StatusCode::NO_CONTENT, String::new()))
}

impl Desk {
    fn tell(&self, event: &Value) -> Result<(), Failure> {
        if self.json {
            return self.screen.say(&event.to_string());
        }
        let data = &event["data"];
        let line = format!("{}  {}  {}", text(event, "/timestamp"), text(event, "/type"), about(data));
        self.screen.say(&line)?;
        match text(data, "/object").as_str() {
            "task" => Ok(()),
            _ => self.screen.say(&self.screen.paint(Paint::Dim, &pretty(data))),
        }
    }
}

/// What an event is about, on one line.
fn about(data: &Value) -> String {
    let parts = [text(data, "/id"), text(data, "/kind"), words(data, "tags"), text(data, "/error/message")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}
