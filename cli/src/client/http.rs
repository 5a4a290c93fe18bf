//! The HTTP client of the command line.
//!
//! It builds the addresses that start a conversation and follows the links of a task from there.
//! A 429 or 503 says that nothing was accepted, so those are tried again; anything else is not,
//! because a request whose answer was lost may have been accepted.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::connect::Connect;
use super::failure::Failure;
use super::problem::Problem;
use super::screen::Screen;
use super::text::span;

/// One call and its answer.
const CALL: Duration = Duration::from_secs(30);
/// Three heartbeats of an event stream: after that silence, the other side is gone.
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// How often a busy server is asked again.
const TRIES: u32 = 3;
/// No `Retry-After` makes a person wait longer than this in one go.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Http {
    client: Client,
    base: Url,
    bearer: Option<HeaderValue>,
    screen: Screen,
}

impl Http {
    pub(super) fn new(connect: &Connect, screen: &Screen) -> Result<Self, Failure> {
        let base = base(&connect.url)?;
        let bearer = connect.key().as_deref().map(bearer_header).transpose()?;
        let client = client(&base)?;
        Ok(Self { client, base, bearer, screen: screen.clone() })
    }

    /// The server's address, to show.
    pub(super) fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// An address under `/api/v1`, of segments that are escaped here.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    /// The address that a link of the server names.
    pub(super) fn follow(&self, link: &str) -> Result<Url, Failure> {
        let url = self.base.join(link).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        url.ok_or_else(|| Failure::Broken(format!("the server gave a link that is no URL: {link}")))
    }

    pub(super) async fn get(&self, url: Url) -> Result<Value, Failure> {
        self.call(self.request(Method::GET, url)).await
    }

    pub(super) async fn post(&self, url: Url, body: Option<&Value>, headers: HeaderMap) -> Result<Value, Failure> {
        let request = self.request(Method::POST, url).headers(headers);
        self.call(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// A PATCH, which may be repeated: it says how something is to be.
    pub(super) async fn patch(&self, url: Url, body: &Value) -> Result<Value, Failure> {
        self.call(self.request(Method::PATCH, url).json(body)).await
    }

    /// A DELETE, which has nothing to say when it went well.
    pub(super) async fn delete(&self, url: Url) -> Result<(), Failure> {
        self.answer(self.request(Method::DELETE, url)).await.map(drop)
    }

    /// A GET whose body is read as it comes. An answer that is no success is a failure.
    pub(super) async fn open(&self, url: Url, headers: HeaderMap) -> Result<Response, Failure> {
        let response = self.send(self.request(Method::GET, url).headers(headers)).await?;
        self.accepted(response).await
    }

    /// What a lost connection looks like to a person.
    pub(super) fn lost(&self, err: &reqwest::Error) -> Failure {
        Failure::Unreachable { url: self.address(), reason: innermost(err) }
    }

    /// A request; only the server we were pointed to gets to see the key, no link leads it away.
    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let is_ours = url.origin() == self.base.origin();
        let request = self.client.request(method, url);
        match &self.bearer {
            Some(bearer) if is_ours => request.header(AUTHORIZATION, bearer),
            _ => request,
        }
    }

    async fn call(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let body = self.answer(request).await?.bytes().await.map_err(|err| self.lost(&err))?;
        serde_json::from_slice(&body)
            .map_err(|err| Failure::Broken(format!("{} did not answer with JSON: {err}", self.address())))
    }

    /// The answer to a request, which a busy server is asked again.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = request.header(ACCEPT, "application/json").timeout(CALL);
        let mut tries = 0;
        let response = loop {
            let again = request.try_clone();
            let Some(attempt) = again else {
                return Err(Failure::Broken("a request could not be repeated".to_owned()));
            };
            let response = self.send(attempt).await?;
            let busy = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            if !busy || tries == TRIES {
                break response;
            }
            let wait = retry_after(response.headers());
            let wait = wait.unwrap_or(Duration::from_secs(1 << tries)).min(LONGEST_WAIT);
            tries += 1;
            self.screen.note(&format!(
                "the server is busy ({}); asking again in {} ({tries} of {TRIES})",
                response.status().as_u16(),
                span(wait.as_millis() as u64),
            ));
            tokio::time::sleep(wait).await;
        };
        self.accepted(response).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|err| self.lost(&err))
    }

    async fn accepted(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|err| self.lost(&err))?;
        Err(Failure::Refused(Box::new(Problem::read(status.as_u16(), &body))))
    }
}

/// The pause that a server asks for, when it says it in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn base(text: &str) -> Result<Url, Failure> {
    let bad = |why: &str| Failure::Usage(format!("--url {text}: {why}"));
    let mut url = Url::parse(text).map_err(|err| bad(&err.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must start with http:// or https://"));
    }
    // People paste the address with the prefix that the documentation shows.
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/api/v1").unwrap_or(path).to_owned();
    url.set_path(&format!("{path}/"));
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn bearer_header(key: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .map_err(|_| Failure::Usage("--api-key holds a character that no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(base: &Url) -> Result<Client, Failure> {
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        // A proxy of the environment cannot see this machine's own addresses.
        if is_loopback(base) { builder.no_proxy() } else { builder }
    };
    let client = builder().build();
    let client = match client {
        // A bare machine has no CA certificates. Plain HTTP needs none.
        Err(_) if base.scheme() == "http" => builder().tls_certs_only([]).build(),
        other => other,
    };
    client.map_err(|err| Failure::Local(format!("cannot set up HTTPS: {}", innermost(&err))))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The cause at the bottom: the layers above it repeat the URL and say nothing.
fn innermost(err: &reqwest::Error) -> String {
    if err.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause = err.source();
    let mut text = err.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Http {
        let connect = Connect { url: url.to_owned(), api_key: Some("ls_x".to_owned()) };
        Http::new(&connect, &Screen::recorded().0).ok().unwrap()
    }

    #[test]
    fn addresses_survive_prefixes_and_odd_ids() {
        let url = |base: &str| http(base).url(&["tasks", "a/b?"]).to_string();
        assert_eq!(url("http://h:1"), "http://h:1/api/v1/tasks/a%2Fb%3F");
        assert_eq!(url("http://h:1/api/v1/"), "http://h:1/api/v1/tasks/a%2Fb%3F");
        assert_eq!(url("https://h/jobs/"), "https://h/jobs/api/v1/tasks/a%2Fb%3F");
    }

    #[test]
    fn what_is_no_http_address_is_a_usage_error() {
        for text in ["localhost:8080", "ftp://h", "nonsense"] {
            assert!(matches!(base(text), Err(Failure::Usage(_))), "{text} was taken");
        }
    }

    #[test]
    fn the_key_goes_to_our_server_alone() {
        let http = http("http://h:1");
        let has_key = |link: &str| {
            let url = http.follow(link).unwrap();
            let request = http.request(Method::GET, url).build().unwrap();
            request.headers().contains_key(AUTHORIZATION)
        };
        assert!(has_key("/api/v1/tasks"));
        assert!(!has_key("http://h:2/api/v1/tasks"));
        assert!(!has_key("https://bucket.example/video.mp4"));
        assert!(http.follow("file:///etc/passwd").is_err());
    }
}
