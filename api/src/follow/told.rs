//! An event as it is sent: written once, shared by all who follow its task.

use bytes::Bytes;
use jobs_store::EventRow;

use crate::view::EventView;

/// An event, ready to be sent. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Its number within the task.
    pub(crate) seq: i64,
    /// Its type.
    pub(crate) name: &'static str,
    /// Itself as a server-sent event; it ends with its JSON and the empty line.
    frame: Bytes,
    /// Where in the frame the JSON begins.
    json_at: usize,
}

/// What a server-sent event ends with.
const END: &str = "\n\n";

impl Told {
    /// Writes down a row of the history.
    pub(crate) fn row(row: EventRow) -> Self {
        let (seq, name) = (row.seq, row.event_type.name());
        Self::new(seq, name, &EventView::new(row))
    }

    /// Writes down anything that serializes as an object.
    pub(crate) fn new(seq: i64, name: &'static str, data: &impl serde::Serialize) -> Self {
        // JSON in one line: line ends in texts are escaped.
        let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
        let head = format!("event: {name}\nid: {seq}\ndata: ");
        let json_at = head.len();
        Self { seq, name, frame: Bytes::from(head + &data + END), json_at }
    }

    /// As a server-sent event (WHATWG HTML, 9.2).
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    /// The JSON alone.
    pub(crate) fn json(&self) -> &str {
        let json = &self.frame[self.json_at..self.frame.len() - END.len()];
        // It was a string before it was bytes.
        std::str::from_utf8(json).unwrap_or("{}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_frame_whatever_is_in_its_texts() {
        let told = Told::new(7, "log", &json!({ "message": "a\nb\r\n\n" }));
        assert_eq!(told.json(), r#"{"message":"a\nb\r\n\n"}"#);
        let frame = format!("event: log\nid: 7\ndata: {}\n\n", told.json());
        assert_eq!(told.frame(), frame.as_bytes());
    }
}
