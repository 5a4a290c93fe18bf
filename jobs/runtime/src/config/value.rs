//! One value: how it is read from text.

use std::{path::PathBuf, time::Duration};

use super::LogFormat;
use crate::secret::{AdminKey, ServerSecret};

/// What a setting can be: read from text, with a problem that a person can act on.
pub(super) trait Value: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.to_owned()) }
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        String::read(text).map(Self::from)
    }
}

// An empty value means "not set": that is how a shell or a compose file unsets a variable.
impl<V: Value> Value for Option<V> {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { V::read(text).map(Some) }
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" | "" => Ok(false),
            _ => Err(format!("`{text}` is neither true nor false")),
        }
    }
}

impl Value for usize {
    fn read(text: &str) -> Result<Self, String> {
        match text.replace('_', "").parse() {
            Ok(0) => Err("must be at least 1".into()),
            Ok(number) => Ok(number),
            Err(_) => Err(format!("`{text}` is not a whole number")),
        }
    }
}

impl Value for u32 {
    fn read(text: &str) -> Result<Self, String> {
        Self::try_from(usize::read(text)?).map_err(|_| format!("`{text}` is too large"))
    }
}

impl Value for ServerSecret {
    fn read(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|error| error.to_string())
    }
}

impl Value for AdminKey {
    fn read(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        parse_duration(text)
    }
}

impl Value for LogFormat {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{text}` is none of auto, pretty, json")),
        }
    }
}

/// Reads a duration such as `500ms`, `4s`, `1.5s`, `2m` or `1h`.
///
/// # Errors
/// When there is no number, no known unit, or the duration is zero.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("`{text}` is not a duration such as 500ms, 4s, 2m or 1h");
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(problem)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(problem()),
    };
    let number: f64 = number.trim().parse().map_err(|_| problem())?;
    let duration = Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| problem())?;
    if duration.is_zero() { Err("must be longer than nothing".into()) } else { Ok(duration) }
}

/// Writes a duration the way [`parse_duration`] reads it: `1500ms`, `4s`, `2m`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        _ if !ms.is_multiple_of(1000) => format!("{ms}ms"),
        _ if !ms.is_multiple_of(60_000) => format!("{}s", ms / 1000),
        _ => format!("{}m", ms / 60_000),
    }
}

/// Reads a size such as `64MiB`, `1.5GiB`, `2GB` or `1048576`, in bytes.
///
/// # Errors
/// When there is no number, no known unit, or it is less than a byte.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let problem = || format!("`{text}` is not a size such as 64MiB, 4GiB or 2GB");
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let bytes_per_unit: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return Err(problem()),
    };
    let number: f64 = number.trim().parse().map_err(|_| problem())?;
    let bytes = number * bytes_per_unit as f64;
    // More than any machine has is a mistake, too.
    let is_sane = (1.0..(1_u64 << 60) as f64).contains(&bytes);
    if is_sane { Ok(bytes as u64) } else { Err(problem()) }
}

/// Reads queues such as `default=8,video=1,mail`; a queue without a number gets `concurrency`.
///
/// # Errors
/// When there is no queue, a name is empty, odd or named twice, or a number is not at least 1.
pub fn parse_queues(text: &str, concurrency: usize) -> Result<Vec<(String, usize)>, String> {
    let mut queues: Vec<(String, usize)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, at_once) = match part.split_once('=') {
            Some((name, number)) => (name.trim(), usize::read(number.trim()).map_err(|err| format!("{part}: {err}"))?),
            None => (part, concurrency),
        };
        let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if name.is_empty() || name.contains(odd) {
            return Err(format!("`{name}` is not a name of a queue: letters, digits and - _ . are allowed"));
        }
        if queues.iter().any(|(known, _)| known == name) {
            return Err(format!("`{name}` is named twice"));
        }
        queues.push((name.to_owned(), at_once));
    }
    if queues.is_empty() { Err("names no queue".into()) } else { Ok(queues) }
}

/// The URL without its password, also where the password is a parameter.
pub(super) fn mask_url(url: &str) -> String {
    let mut shown = url.to_owned();
    let authority = url.find("://").map_or(0, |at| at + 3);
    let authority_end = url[authority..].find(['/', '?']).map_or(url.len(), |at| authority + at);
    if let Some(at) = url[authority..authority_end].rfind('@')
        && let Some(colon) = url[authority..authority + at].find(':')
    {
        shown.replace_range(authority + colon + 1..authority + at, "***");
    }
    for key in ["password=", "pass="] {
        if let Some(at) = shown.find(key) {
            let from = at + key.len();
            let to = shown[from..].find('&').map_or(shown.len(), |end| from + end);
            shown.replace_range(from..to, "***");
        }
    }
    shown
}

/// The path as it stands in a URL.
pub(crate) fn escape_path(path: &std::path::Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut escaped = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_and_written_back() {
        for (text, ms) in [("500ms", 500), ("4s", 4000), ("1.5s", 1500), ("2m", 120_000), ("90m", 5_400_000)] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration, Duration::from_millis(ms), "{text}");
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text}");
        }
        for text in ["", "4", "s", "4 parsecs", "-1s", "0s", "1e400s", "NaNs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_units_of_both_sorts() {
        for (text, bytes) in [("1048576", 1 << 20), ("64MiB", 64 << 20), ("1.5GiB", 3 << 29), ("2 GB", 2_000_000_000)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "0", "-1B", "4 parsecs", "4gib", "NaN", "1e300TiB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn queues_have_a_number_or_the_default_one() {
        let queues = parse_queues("default=8, video=1,mail", 3);
        assert_eq!(queues, Ok(vec![("default".into(), 8), ("video".into(), 1), ("mail".into(), 3)]));

        for text in ["", ",", "a=0", "a=x", "=3", "a b", "a,a=2", "a{b}"] {
            assert!(parse_queues(text, 3).is_err(), "{text}");
        }
    }

    #[test]
    fn a_masked_url_keeps_all_but_the_password() {
        let cases = [
            ("postgres://anna:secret@db:5432/x", "postgres://anna:***@db:5432/x"),
            ("postgres://anna:s@cr@t@db/x", "postgres://anna:***@db/x"),
            ("redis://:secret@cache", "redis://:***@cache"),
            ("postgres:///x?host=/run&user=a", "postgres:///x?host=/run&user=a"),
            ("postgres:///x?password=secret&user=a", "postgres:///x?password=***&user=a"),
            ("redis://cache:6379/@:1", "redis://cache:6379/@:1"),
        ];
        for (url, masked) in cases {
            assert_eq!(mask_url(url), masked);
        }
    }
}
