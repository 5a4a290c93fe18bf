//! Points in time as clients write them.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// What to say of a text that is no time.
pub const NO_INSTANT: &str =
    "must be a time of the years 0000 to 9999 in UTC as in RFC 3339, for example 2026-01-31T12:00:00Z";

/// A time that a client wrote, in UTC. One that leaves the four digits of a year on its way to UTC is none: nothing behind
/// this could store or write it.
#[must_use]
pub fn read_instant(text: &str) -> Option<OffsetDateTime> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    (0..=9999).contains(&instant.year()).then_some(instant)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_read_only_if_its_year_has_four_digits_in_utc() {
        assert_eq!(read_instant("2026-01-02T03:04:05+02:00"), Some(datetime!(2026-01-02 01:04:05 UTC)));
        assert_eq!(read_instant("9999-12-31T23:59:59Z"), Some(datetime!(9999-12-31 23:59:59 UTC)));
        for bad in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "2026-01-02", "tomorrow", ""] {
            assert_eq!(read_instant(bad), None, "{bad}");
        }
    }
}
