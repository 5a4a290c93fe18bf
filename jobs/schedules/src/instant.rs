//! The border between the time of the workspace (`time`) and the one that knows zones (`jiff`). Nothing else converts.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Seconds since 1970, rounded down.
pub(crate) fn seconds(at: OffsetDateTime) -> i64 {
    at.unix_timestamp()
}

/// An instant of whole seconds, or `None` outside of the years 1 to 9999.
pub(crate) fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok().filter(|at| at.as_second() >= FIRST)
}

/// An instant, in UTC.
pub(crate) fn utc(seconds: i64) -> OffsetDateTime {
    // Both libraries end with the year 9999, and `timestamp` has seen it before.
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// An instant, by the wall clock of a zone that has this offset.
pub(crate) fn local(at: OffsetDateTime, offset: Offset) -> OffsetDateTime {
    UtcOffset::from_whole_seconds(offset.seconds()).map_or(at, |offset| at.to_offset(offset))
}

/// What a wall clock shows.
pub(crate) fn civil(at: DateTime) -> PrimitiveDateTime {
    let month = Month::try_from(at.month().unsigned_abs()).unwrap_or(Month::January);
    let date = Date::from_calendar_date(at.year().into(), month, at.day().unsigned_abs()).unwrap_or(Date::MIN);
    let [hour, minute, second] = [at.hour(), at.minute(), at.second()].map(i8::unsigned_abs);
    PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second).unwrap_or(Time::MIDNIGHT))
}

/// Whole milliseconds since 1970, rounded down.
pub(crate) fn milliseconds(at: OffsetDateTime) -> i128 {
    at.unix_timestamp_nanos().div_euclid(1_000_000)
}

/// An instant from milliseconds since 1970, or `None` where there is none.
pub(crate) fn from_milliseconds(milliseconds: i128) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds.checked_mul(1_000_000)?).ok()
}

/// A delay in milliseconds, at most a few centuries.
pub(crate) fn as_milliseconds(duration: Duration) -> u64 {
    duration.as_millis().min(MOST_MS.into()) as u64
}

const MOST_MS: u64 = 1 << 44;
/// 0001-01-01T00:00:00Z
const FIRST: i64 = -62_135_596_800;
