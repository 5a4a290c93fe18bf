//! Time zones, and what becomes of times that clocks skip or show twice.

use std::{fmt, str::FromStr};

use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{Offset, TimeZone},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    cron::Cron,
    instant,
    word::{UnknownWord, named},
};

/// A time zone of the IANA database, such as `Europe/Paris`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
    name: String,
}

/// No zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone of the IANA database, such as Europe/Paris or UTC")]
pub struct UnknownZone(pub String);

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
        let zone = zone.ok_or_else(|| UnknownZone(name.to_owned()))?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { zone, name })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Which of two equal times an expression means when the clocks are set back, and whether what is skipped when they are set forward
/// is made up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dst {
    /// As Vixie's cron does. An expression that names hours (`30 2 * * *`) is about days: what is skipped starts once, when the
    /// clocks have been set; what comes twice starts the first time. One that does not (`*/5 * * * *`) is about time that passes:
    /// it goes on as if no clock had been touched.
    #[default]
    Cron,
    /// Every expression: a skipped time starts when the clocks have been set, a doubled one the first time.
    First,
    /// Every expression: a skipped time starts when the clocks have been set, a doubled one the second time.
    Second,
    /// Every expression: a skipped time starts when the clocks have been set, a doubled one both times.
    Both,
}

/// What a [`Dst`] means for one expression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Law {
    first: bool,
    second: bool,
    makes_up: bool,
}

impl Dst {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cron, Self::First, Self::Second, Self::Both];

    /// Its word, as clients and rows have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::First => "first",
            Self::Second => "second",
            Self::Both => "both",
        }
    }

    pub(crate) fn law(self, cron: &Cron) -> Law {
        match self {
            Self::Cron if cron.names_hours() => Self::First.law(cron),
            Self::Cron => Law { first: true, second: true, makes_up: false },
            Self::First => Law { first: true, second: false, makes_up: true },
            Self::Second => Law { first: false, second: true, makes_up: true },
            Self::Both => Law { first: true, second: true, makes_up: true },
        }
    }
}

impl FromStr for Dst {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        named(word, &Self::ALL, Self::name)
    }
}

/// A time that was found, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) seconds: i64,
    pub(crate) offset: Offset,
    pub(crate) is: Is,
}

/// How the clocks were when it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Plain,
    First,
    Second,
    InsteadOf(DateTime),
}

/// Time between two changes of a zone's clocks. In it wall clocks run evenly, and comparing them is comparing instants.
struct Span {
    /// When the clocks were changed, and what the offset was before.
    start: Option<(Timestamp, Offset)>,
    offset: Offset,
    /// When the clocks will be changed, and what the offset will be.
    end: Option<(Timestamp, Offset)>,
}

/// Of so many letters of a name one may be wrong.
const LETTERS_A_TYPO: usize = 4;
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// Longer than any change of clocks. Samoa skipped a whole day.
const LONG: SignedDuration = SignedDuration::from_hours(48);

impl Zone {
    /// The name that somebody may have meant: one that ends with this word, or differs by a few letters.
    #[must_use]
    pub fn near(name: &str) -> Option<String> {
        let meant = name.to_ascii_lowercase();
        let names = jiff::tz::db().available().map(|known| known.as_str().to_owned());
        let distance = |known: &String| {
            let known = known.to_ascii_lowercase();
            let city = known.rsplit('/').next().unwrap_or(&known);
            if city == meant.replace(' ', "_") { 0 } else { letters_apart(&known, &meant) }
        };
        let (apart, near) = names.map(|known| (distance(&known), known)).min()?;
        (apart * LETTERS_A_TYPO <= meant.len()).then_some(near)
    }

    /// The first time after `seconds` that `cron` means in this zone.
    ///
    /// It walks from one change of clocks to the next. Within a span it asks the expression for the next time by the wall clock; at
    /// its end it looks whether that time was skipped, or whether earlier ones come again.
    pub(crate) fn next(&self, cron: &Cron, law: Law, seconds: i64) -> Option<Found> {
        let mut span = self.span(instant::timestamp(seconds)?);
        // What the wall clock shows a second later, if nobody touches it.
        let mut from = span.offset.to_datetime(instant::timestamp(seconds.checked_add(1)?)?);
        loop {
            if !law.second {
                from = from.max(span.shown_before().unwrap_or(from));
            }
            let next = cron.from(from)?;
            let Some((end, after)) = span.end else {
                return span.found(next);
            };
            // The wall clock at the end, as it would go on, and as it does.
            let (unchanged, changed) = (span.offset.to_datetime(end), after.to_datetime(end));
            let until = if law.first { unchanged } else { unchanged.min(changed) };
            if next < until {
                return span.found(next);
            }
            let is_skipped = unchanged <= next && next < changed;
            if is_skipped && law.makes_up {
                return Some(Found { seconds: end.as_second(), offset: after, is: Is::InsteadOf(next) });
            }
            let shows_again = changed < unchanged;
            let soon = unchanged.checked_add(LONG).unwrap_or(DateTime::MAX);
            if next > soon && !shows_again {
                // Nothing for a while: the changes in between neither skip nor repeat any time that is meant.
                let near = span.offset.to_timestamp(next).ok()?.checked_sub(LONG).ok()?;
                span = self.span(near);
                from = span.offset.to_datetime(near);
            } else {
                span = self.span(end);
                from = changed;
            }
        }
    }

    /// An instant, as a wall clock in this zone shows it.
    pub(crate) fn shows(&self, at: OffsetDateTime) -> OffsetDateTime {
        let offset = instant::timestamp(instant::seconds(at)).map(|at| self.zone.to_offset(at));
        offset.map_or(at, |offset| instant::local(at, offset))
    }

    fn span(&self, at: Timestamp) -> Span {
        let end = self.zone.following(at).next().map(|change| (change.timestamp(), change.offset()));
        // A change at this very second has happened.
        let change = at.checked_add(SECOND).ok().and_then(|later| self.zone.preceding(later).next());
        let start = change.and_then(|change| {
            let before = change.timestamp().checked_sub(SECOND).ok()?;
            Some((change.timestamp(), self.zone.to_offset(before)))
        });
        Span { start, offset: self.zone.to_offset(at), end }
    }
}

impl Span {
    /// Up to where the wall clock shows what it had shown before the clocks were set back at the beginning.
    fn shown_before(&self) -> Option<DateTime> {
        let (start, before) = self.start?;
        let shown = before.to_datetime(start);
        (shown > self.offset.to_datetime(start)).then_some(shown)
    }

    /// From where the wall clock shows what it will show again when the clocks have been set back at the end.
    fn shown_again(&self) -> Option<DateTime> {
        let (end, after) = self.end?;
        let shown = after.to_datetime(end);
        (shown < self.offset.to_datetime(end)).then_some(shown)
    }

    fn found(&self, local: DateTime) -> Option<Found> {
        let is = match (self.shown_before(), self.shown_again()) {
            (Some(before), _) if local < before => Is::Second,
            (_, Some(again)) if local >= again => Is::First,
            _ => Is::Plain,
        };
        let seconds = self.offset.to_timestamp(local).ok()?.as_second();
        Some(Found { seconds, offset: self.offset, is })
    }
}

/// How many letters have to be added, taken away or changed (Levenshtein).
fn letters_apart(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.bytes().enumerate() {
        let mut before = std::mem::replace(&mut row[0], n + 1);
        for (m, b) in other.bytes().enumerate() {
            let changed = before + usize::from(a != b);
            before = row[m + 1];
            row[m + 1] = changed.min(before + 1).min(row[m] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        let near = |name: &str| Zone::near(name);
        assert_eq!(near("Europe/Pariss").as_deref(), Some("Europe/Paris"));
        assert_eq!(near("New York").as_deref(), Some("America/New_York"));
        assert_eq!(near("tokyo").as_deref(), Some("Asia/Tokyo"));
        assert_eq!(near("Mars/Olympus"), None);
        assert_eq!(near("x"), None);
    }

    #[test]
    fn a_zone_has_its_name_of_the_database() {
        assert_eq!("europe/paris".parse::<Zone>().unwrap().to_string(), "Europe/Paris");
        assert_eq!("UTC".parse::<Zone>().unwrap().to_string(), "UTC");
        for name in ["", "Mars/Olympus", "+02:00", "Etc/Unknown", "../etc/passwd", "Europe"] {
            assert!(name.parse::<Zone>().is_err(), "{name}");
        }
    }
}
