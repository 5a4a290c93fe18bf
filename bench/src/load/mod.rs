//! The load: HTTP requests over connections that stay open, each with one request at a time.

mod closed;
mod connection;
mod paced;
mod read;

pub(crate) use closed::{Gate, Loaded, Shape, Until, submit};
pub(crate) use connection::Connection;
pub(crate) use paced::paced;
pub(crate) use read::read;

use std::{net::SocketAddr, rc::Rc};

use bytes::Bytes;
use hyper::header::HeaderValue;

/// Where tasks are submitted, and what is submitted. The same for every system.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where the API listens.
    pub(crate) address: SocketAddr,
    /// What proves that we may, where that is asked.
    pub(crate) key: Option<HeaderValue>,
    extra: Rc<dyn Fn(u64) -> String>,
}

impl Target {
    /// Plain tasks.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, key: None, extra: Rc::new(|_| String::new()) }
    }

    /// With an API key in every request.
    pub(crate) fn with_key(mut self, key: HeaderValue) -> Self {
        self.key = Some(key);
        self
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address, self.key.clone()).await
    }

    /// With members that a task has besides its kind and its input: JSON, with a comma in front.
    pub(crate) fn with_extra(mut self, extra: impl Fn(u64) -> String + 'static) -> Self {
        self.extra = Rc::new(extra);
        self
    }

    /// Where one task goes.
    pub(crate) const SINGLE: &str = "/api/v1/tasks";
    /// Where many go.
    pub(crate) const BATCH: &str = "/api/v1/tasks/batch";

    /// A task that does nothing but answer its number.
    pub(crate) fn task(&self, number: u64) -> String {
        format!(r#"{{"kind":"echo","input":{{"text":"{number:08}"}}{}}}"#, (self.extra)(number))
    }

    /// The body of a request for `count` tasks from `first` on: an array, or the task itself.
    fn body(&self, first: u64, count: u64, is_batch: bool) -> Bytes {
        if !is_batch {
            return self.task(first).into();
        }
        let tasks: Vec<String> = (first..first + count).map(|number| self.task(number)).collect();
        format!("[{}]", tasks.join(",")).into()
    }
}
