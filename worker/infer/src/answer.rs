//! The text of an answer while it is written: whole letters, and nothing of the texts that end it.

/// A text that grows by the bytes of tokens.
pub(crate) struct Answer {
    /// What was told already.
    text: String,
    /// Bytes that were not told yet.
    held: Vec<u8>,
    stops: Vec<String>,
}

impl Answer {
    /// An empty answer, which any of `stops` ends.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { text: String::new(), held: Vec::new(), stops }
    }

    /// Adds the bytes of a token. Says whether that ends the answer; what ended it is not part of it.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.held.extend_from_slice(bytes);
        // What may begin a stop is never told, so one that is complete now lies in what is held.
        let found = self.stops.iter().filter_map(|stop| find(&self.held, stop.as_bytes())).min();
        if let Some(at) = found {
            self.held.truncate(at);
        }
        found.is_some()
    }

    /// What can be told by now: whole letters that begin no stop.
    pub(crate) fn tell(&mut self) -> Option<String> {
        let whole = whole_letters(&self.held);
        let open = self.stops.iter().map(|stop| begun(&self.held, stop.as_bytes())).max().unwrap_or(0);
        self.release(whole.min(self.held.len() - open))
    }

    /// What was held back, when nothing more comes.
    pub(crate) fn tell_rest(&mut self) -> Option<String> {
        self.release(self.held.len())
    }

    /// All that was told.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn release(&mut self, count: usize) -> Option<String> {
        if count == 0 {
            return None;
        }
        let bytes: Vec<u8> = self.held.drain(..count).collect();
        let delta = String::from_utf8_lossy(&bytes).into_owned();
        self.text.push_str(&delta);
        Some(delta)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len().max(1)).position(|window| window == what)
}

/// How many bytes at the end of `bytes` are the beginning of `stop`.
fn begun(bytes: &[u8], stop: &[u8]) -> usize {
    let most = stop.len().saturating_sub(1).min(bytes.len());
    (1..=most).rev().find(|count| bytes.ends_with(&stop[..*count])).unwrap_or(0)
}

/// How many bytes are left when a letter is cut off that has not come whole yet.
fn whole_letters(bytes: &[u8]) -> usize {
    let length = |byte: u8| match byte {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let is_continuation = byte & 0b1100_0000 == 0b1000_0000;
        if !is_continuation {
            return if length(byte) > back { bytes.len() - back } else { bytes.len() };
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, String, bool) {
        let mut answer = Answer::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut deltas = Vec::new();
        for token in tokens {
            let ended = answer.push(token);
            deltas.extend(answer.tell());
            if ended {
                deltas.extend(answer.tell_rest());
                return (deltas, answer.into_text(), true);
            }
        }
        deltas.extend(answer.tell_rest());
        (deltas, answer.into_text(), false)
    }

    #[test]
    fn letters_are_told_whole() {
        let (deltas, text, _) = write(&[], &[b"a\xE2", b"\x82", b"\xACb", b"\xF0\x9F"]);
        assert_eq!(deltas, ["a", "€b", "\u{FFFD}"]);
        assert_eq!(text, deltas.concat());
    }

    #[test]
    fn nothing_of_a_stop_is_told() {
        let (deltas, text, ended) = write(&["END", "\n\n"], &[b"one E", b"N", b"x E", b"ND two"]);
        assert_eq!((deltas.as_slice(), ended), (["one ", "ENx ", ""].map(str::to_owned)[..2].as_ref(), true));
        assert_eq!(text, "one ENx ");
        assert_eq!(write(&["END"], &[b"E", b"N"]).1, "EN");
        assert_eq!(write(&["\u{20AC}"], &[b"a\xE2\x82", b"\xAC"]).1, "a");
    }
}
