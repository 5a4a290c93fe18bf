//! A part of a file (RFC 9110, 14): one range of bytes. Of several, or of what cannot be read, the whole file is the answer.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// Which bytes to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    Whole,
    /// These.
    Part(Range<u64>),
    /// Such as there are none of.
    Nothing,
}

/// Which bytes of a file of `size` the client wants. `tag` is the file's strong entity tag.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Wanted::Whole };
    // The client has a part of another file: it needs the whole of this one.
    if text(header::IF_RANGE).is_some_and(|known| known.trim() != tag) {
        return Wanted::Whole;
    }
    read(range, size).unwrap_or(Wanted::Whole)
}

fn read(text: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if start < end { Wanted::Part(start..end) } else { Wanted::Nothing })
}

fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large for us is behind the end of every file.
    is_plain.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(text: &'static str) -> Wanted {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]);
        wanted(&headers, 100, "\"x\"")
    }

    #[test]
    fn one_range_is_served_and_what_is_not_understood_is_ignored() {
        assert_eq!(of("bytes=0-9"), Wanted::Part(0..10));
        assert_eq!(of("bytes=90-"), Wanted::Part(90..100));
        assert_eq!(of("bytes=90-1000"), Wanted::Part(90..100));
        assert_eq!(of("bytes=0-99999999999999999999999"), Wanted::Part(0..100));
        assert_eq!(of("bytes=-10"), Wanted::Part(90..100));
        assert_eq!(of("bytes=-1000"), Wanted::Part(0..100));
        assert_eq!(of("bytes=100-"), Wanted::Nothing);
        assert_eq!(of("bytes=-0"), Wanted::Nothing);
        for ignored in ["bytes=5-4", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes", "bytes=-"] {
            assert_eq!(of(ignored), Wanted::Whole, "{ignored}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole_file() {
        let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-9"))]);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"x\""));
        assert_eq!(wanted(&headers, 100, "\"x\""), Wanted::Part(0..10));
        assert_eq!(wanted(&headers, 100, "\"y\""), Wanted::Whole);
    }
}
