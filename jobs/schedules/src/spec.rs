//! A schedule as it is written down: words and numbers that nobody has looked at.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    cron::Cron,
    schedule::{Every, Jitter, Schedule, When},
    zone::{Dst, Zone},
};

/// Everything that decides when a schedule fires, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// An expression. One of this and the interval is there.
    pub cron: Option<String>,
    /// An interval in milliseconds.
    pub every_ms: Option<u64>,
    /// The name of a time zone.
    pub timezone: String,
    /// What becomes of times that clocks skip or show twice.
    pub dst: Dst,
    /// How long a fire may be put off, in milliseconds.
    pub jitter_ms: u64,
    /// No fire before this.
    pub starts_at: Option<OffsetDateTime>,
    /// No fire at this or after it.
    pub ends_at: Option<OffsetDateTime>,
}

/// A part of a [`Spec`] that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct SpecFault {
    /// Which part, by the name of its field.
    pub field: &'static str,
    /// What is wrong with it: lower case, no full stop.
    pub detail: String,
}

impl Spec {
    /// The schedule that is meant. `seed` tells its jitter from that of others: its id.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(&self, seed: u128) -> Result<Schedule, Vec<SpecFault>> {
        let mut faults = Vec::new();
        let when = self.when().map_err(|fault| faults.push(fault));
        let zone = self.timezone.parse::<Zone>().map_err(|unknown| {
            let near = Zone::near(&self.timezone).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            faults.push(fault("timezone", format!("{unknown}{near}")));
        });
        if self.starts_at.zip(self.ends_at).is_some_and(|(start, end)| end <= start) {
            faults.push(fault("ends_at", "must be after starts_at"));
        }
        let (Ok(when), Ok(zone), true) = (when, zone, faults.is_empty()) else { return Err(faults) };
        let jitter = Jitter { most: Duration::from_millis(self.jitter_ms), seed };
        Ok(Schedule { when, zone, dst: self.dst, jitter, starts_at: self.starts_at, ends_at: self.ends_at })
    }

    fn when(&self) -> Result<When, SpecFault> {
        match (&self.cron, self.every_ms) {
            (Some(_), Some(_)) => Err(fault("every_ms", "cannot be given together with cron")),
            (None, None) => Err(fault("cron", "required: an expression, or every_ms in its place")),
            (Some(cron), None) => {
                let cron = cron.parse::<Cron>();
                cron.map(When::Cron).map_err(|error| fault("cron", error.to_string()))
            }
            (None, Some(ms)) => {
                Every::milliseconds(ms).map(When::Every).map_err(|error| fault("every_ms", error.to_string()))
            }
        }
    }
}

fn fault(field: &'static str, detail: impl Into<String>) -> SpecFault {
    SpecFault { field, detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            cron: Some("0 9 * * *".to_owned()),
            every_ms: None,
            timezone: "Europe/Paris".to_owned(),
            dst: Dst::Cron,
            jitter_ms: 0,
            starts_at: None,
            ends_at: None,
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let wrong = Spec {
            cron: Some("0 24 * * *".to_owned()),
            timezone: "Europe/Pariss".to_owned(),
            starts_at: Some(now),
            ends_at: Some(now),
            ..spec()
        };
        let faults: Vec<String> = wrong.compile(0).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(faults[0], "cron: hour, column 3: 24 is not within 0-23");
        assert!(faults[1].starts_with("timezone: ") && faults[1].ends_with("did you mean Europe/Paris?"), "{faults:?}");
        assert_eq!(faults[2], "ends_at: must be after starts_at");
        assert!(spec().compile(0).is_ok());
        let both = Spec { every_ms: Some(5_000), ..spec() };
        assert_eq!(both.compile(0).unwrap_err()[0].field, "every_ms");
        let none = Spec { cron: None, ..spec() };
        assert_eq!(none.compile(0).unwrap_err()[0].field, "cron");
        let short = Spec { cron: None, every_ms: Some(10), ..spec() };
        assert_eq!(short.compile(0).unwrap_err()[0].field, "every_ms");
    }
}
