//! A stream of Server-Sent Events, cut into messages as its bytes arrive (WHATWG HTML, 9.2.6).
//!
//! Comments are counted, not dropped: a heartbeat is the proof that a silent server lives.
//! `retry:` is not obeyed; the follower has its own back-off.

/// No honest message is as long as this, and a lying one must not fill the memory.
const LONGEST: usize = 16 * 1024 * 1024;

/// One message of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) event: String,
    /// The id of this message, or the last one before it that had one.
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// A message was longer than any real one.
#[derive(Debug)]
pub(super) struct TooLong;

/// What has been read of the message to come.
#[derive(Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    /// The last byte was a CR: a LF right behind it belongs to the same line end.
    after_cr: bool,
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
}

impl Reader {
    /// The messages that `bytes` complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => messages.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > LONGEST {
                return Err(TooLong);
            }
        }
        Ok(messages)
    }

    fn end_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event = value.to_owned(),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let id = self.id.clone();
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(Message { event, id, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\r\n\r\nevent: status\r\nid: 1\r\ndata: {\"a\":\r\ndata: \"é\"}\r\n\r\n\
                          data:x\n\nevent: gone\n\nid: 2\revent: done\rdata\r\r";

    fn message(event: &str, id: &str, data: &str) -> Message {
        Message { event: event.to_owned(), id: Some(id.to_owned()), data: data.to_owned() }
    }

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let expected =
            [message("status", "1", "{\"a\":\n\"é\"}"), message("message", "1", "x"), message("done", "2", "")];
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let chunks = STREAM.as_bytes().chunks(size);
            let messages: Vec<_> = chunks.flat_map(|chunk| reader.feed(chunk).unwrap()).collect();
            assert_eq!(messages, expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut reader = Reader::default();
        let refused = (0..20).any(|_| reader.feed(&vec![b'x'; 1 << 20]).is_err());
        assert!(refused);
    }
}
