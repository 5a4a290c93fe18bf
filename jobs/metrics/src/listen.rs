//! The small server that Prometheus asks: `GET /metrics`, for anybody who reaches it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{Page, TYPE};

/// More connections than a few scrapers need are not taken.
const CONNECTIONS: usize = 16;
/// A request arrives within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens at `bind` until `stop` is cancelled, and answers with the page of `exposition`. There is no authentication: what listens at
/// another address than the loopback one is meant to be reached by scrapers alone.
///
/// # Errors
/// When the address is not one, or is taken.
pub async fn listen(bind: &str, stop: CancellationToken, exposition: impl Exposition) -> std::io::Result<()> {
    let listener = TcpListener::bind(bind).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics are at http://{address}/metrics");
    tokio::spawn(async move { stop.run_until_cancelled(accept(listener, Arc::new(exposition))).await });
    Ok(())
}

/// Something that writes a page when it is asked to.
pub trait Exposition: Send + Sync + 'static {
    /// Everything that there is to say.
    fn page(&self) -> impl Future<Output = Page> + Send;
}

impl<F: Fn() -> Page + Send + Sync + 'static> Exposition for F {
    async fn page(&self) -> Page {
        self()
    }
}

async fn accept<E: Exposition>(listener: TcpListener, exposition: Arc<E>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let exposition = Arc::clone(&exposition);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&exposition)));
            let server = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A scraper that went away is nobody's trouble.
            let _ = server.await;
            drop(place);
        });
    }
}

async fn answer<E: Exposition>(
    request: Request<Incoming>,
    exposition: Arc<E>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    } else {
        *response.body_mut() = Full::from(exposition.page().await.into_text());
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(TYPE));
    }
    Ok(response)
}
