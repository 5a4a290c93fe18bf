//! A span of time as a person types it: `500ms`, `5s`, `1m30s`, `2h`.

use std::time::Duration;

/// Reads a span; a bare number is refused, because nobody could tell its unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no span of time; write it like 500ms, 5s, 1m30s, 2h or 1d");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total_ms: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let amount: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_ms = match &rest[..letters] {
            "ms" => 1.0,
            "s" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            _ => return Err(bad()),
        };
        total_ms += amount * unit_ms;
        rest = rest[letters..].trim_start();
    }
    // A hundred years: what is longer was mistyped.
    if total_ms > 3_155_760_000_000.0 {
        return Err(format!("`{text}` is longer than a hundred years"));
    }
    Ok(Duration::from_millis(total_ms.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        let read = ["500ms", "5s", "1m30s", "1.5h", "2h 5m", "1d", "0s"];
        let read = read.map(|text| parse(text).unwrap().as_millis());
        assert_eq!(read, [500, 5000, 90_000, 5_400_000, 7_500_000, 86_400_000, 0]);
    }

    #[test]
    fn what_has_no_unit_or_no_sense_is_refused() {
        for text in ["", "5", "s", "5 parsecs", "-5s", "1.2.3s", "99999999d", "é"] {
            assert!(parse(text).is_err(), "{text:?} was read");
        }
    }
}
