//! How many requests are served at once. What comes beyond is refused before it costs anything: whoever is served is served soon, however
//! many ask.
//!
//! Waits and streams cost little and last long, so they are counted apart: neither keeps out the other.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

/// The places for requests.
#[derive(Debug)]
pub(crate) struct Crowd {
    busy: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A place, taken until this is dropped.
pub(crate) struct Place {
    permit: OwnedSemaphorePermit,
    lasts: bool,
}

impl Crowd {
    /// With so many places for what is served at once, and so many for waits and streams.
    pub(crate) fn new(busy: usize, waiting: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { busy: places(busy), waiting: places(waiting) }
    }

    /// Takes a place; `waits` for a request that waits for something to happen.
    pub(crate) fn enter(&self, waits: bool) -> Result<Place, Problem> {
        let (places, what) = if waits { (&self.waiting, "waits and streams") } else { (&self.busy, "requests") };
        let permit = Arc::clone(places).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Problem::new(Code::Overloaded, format!("as many {what} as this server takes are under way")).retry_after(1)
        })?;
        Ok(Place { permit, lasts: waits })
    }
}

impl Place {
    /// Gives the place back when the answer is through, for one that may be streamed for long; or now.
    pub(crate) fn keep_for(self, response: Response) -> Response {
        if !self.lasts {
            return response;
        }
        response.map(|body| Body::new(Held { body, _permit: self.permit }))
    }
}

/// A body that holds a place.
struct Held {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_the_answer_is_through() {
        let crowd = Crowd::new(1, 1);
        let busy = crowd.enter(false).unwrap_or_else(|_| panic!("a place"));
        let refused = crowd.enter(false).err().unwrap_or_else(|| panic!("no place"));
        assert_eq!((refused.code, &refused.headers["retry-after"]), (Code::Overloaded, &"1".parse().unwrap()));
        let waiting = crowd.enter(true).unwrap_or_else(|_| panic!("waits have places of their own"));

        drop(busy.keep_for(Response::new(Body::from("x"))));
        assert!(crowd.enter(false).is_ok());
        let answer = waiting.keep_for(Response::new(Body::from("x")));
        assert!(crowd.enter(true).is_err(), "it is still being sent");
        let bytes = axum::body::to_bytes(answer.into_body(), 10).await.unwrap();
        assert_eq!(&bytes[..], b"x");
        assert!(crowd.enter(true).is_ok());
    }
}
