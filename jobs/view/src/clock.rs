//! The time of day, for what people read: answers carry it, nothing is decided by it.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset, format_description::FormatItem, macros::format_description};

const WIRE: &[FormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

const HTTP: &[FormatItem<'static>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The time of this machine. Only Postgres tells the time of tasks: this one is for time stamps of answers and for hints.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock, for readers only")]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A time as headers of HTTP have it (RFC 9110, section 5.6.7), of the form that is sent today.
#[must_use]
pub fn http_date(text: &str) -> Option<OffsetDateTime> {
    time::PrimitiveDateTime::parse(text, HTTP).ok().map(time::PrimitiveDateTime::assume_utc)
}

/// A time as the wire has it: RFC 3339, UTC, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub OffsetDateTime);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_offset(UtcOffset::UTC).format(WIRE).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Whole milliseconds from `start` to `end`; none when the clock of Postgres was put back in between.
pub fn millis_between(start: OffsetDateTime, end: OffsetDateTime) -> Option<u64> {
    u64::try_from((end - start).whole_milliseconds()).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let at = datetime!(2026-01-02 03:04:05.678_9 +02:00);
        assert_eq!(Timestamp(at).to_string(), "2026-01-02T01:04:05.678Z");
        assert_eq!(Timestamp(datetime!(2026-01-02 03:04:05 UTC)).to_string(), "2026-01-02T03:04:05.000Z");
    }
}
