//! A stream of Server-Sent Events, as the HTML standard has them.

use std::time::Duration;

use serde_json::Value;

use crate::wait::soon;

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its type.
    pub name: String,
    /// Its number.
    pub id: i64,
    /// What it says.
    pub data: Value,
}

/// A stream of events.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { response, text: String::new() }
    }

    /// The next event; `None` when the server has closed the stream.
    ///
    /// # Panics
    /// When there is none within `bound`, or the connection breaks.
    pub async fn next(&mut self, bound: Duration) -> Option<Event> {
        soon("the next event", bound, async {
            loop {
                while let Some((block, rest)) = self.text.split_once("\n\n") {
                    let event = read(block);
                    self.text = rest.to_owned();
                    if event.is_some() {
                        return event;
                    }
                }
                let chunk = self.response.chunk().await.expect("a stream that goes on");
                self.text.push_str(std::str::from_utf8(&chunk?).expect("events are UTF-8"));
            }
        })
        .await
    }

    /// All events until the server closes the stream.
    ///
    /// # Panics
    /// As [`Stream::next`].
    pub async fn rest(&mut self, bound: Duration) -> Vec<Event> {
        soon("the end of the stream", bound, async {
            let mut events = Vec::new();
            while let Some(event) = self.next(bound).await {
                events.push(event);
            }
            events
        })
        .await
    }
}

/// One block of lines; nothing when it is a comment.
fn read(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim_start().to_owned()))
    };
    let data = field("data")?;
    Some(Event {
        name: field("event").unwrap_or_else(|| "message".to_owned()),
        id: field("id").and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no number: {block}")),
        data: serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")),
    })
}
