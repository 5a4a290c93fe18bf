//! How good forecasts were: what was foretold of tasks, next to what came.

use std::collections::BTreeMap;

use jobs_store::{Foretold, ForetoldOutcome};
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

/// How good forecasts of a kind were.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Calibration {
    /// The kind.
    kind: String,
    /// Of its starts; left out when none was foretold and came.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Score>,
    /// Of its ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<Score>,
}

/// How good forecasts were. Of perfect ones half are within p50 and nine of ten within p90.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Score {
    /// So many were compared.
    count: u64,
    /// Which share came by p50, from 0 to 1.
    within_p50: f64,
    /// Which share came by p90.
    within_p90: f64,
    /// How far p50 was off in the middle, as a share of the time that it took.
    median_relative_error: f64,
}

/// One time that was foretold, and what came.
struct Hit {
    within_p50: bool,
    within_p90: bool,
    error: f64,
}

/// A calibration of each kind, by name.
pub(crate) fn calibrations(outcomes: &[ForetoldOutcome]) -> Vec<Calibration> {
    let mut kinds: BTreeMap<&str, (Vec<Hit>, Vec<Hit>)> = BTreeMap::new();
    for outcome in outcomes {
        let (starts, finishes) = kinds.entry(&outcome.kind).or_default();
        starts.extend(outcome.start.map(|(told, came)| hit(outcome.made_at, told, came)));
        finishes.extend(outcome.finish.map(|(told, came)| hit(outcome.made_at, told, came)));
    }
    let calibrations = kinds.into_iter();
    calibrations
        .map(|(kind, (starts, finishes))| Calibration {
            kind: kind.to_owned(),
            start: score(starts),
            finish: score(finishes),
        })
        .collect()
}

fn hit(made_at: OffsetDateTime, told: Foretold, came: OffsetDateTime) -> Hit {
    // What took less than a millisecond took one: nobody tells them apart.
    let took = (came - made_at).as_seconds_f64().max(0.001);
    Hit {
        within_p50: came <= told.p50,
        within_p90: came <= told.p90,
        error: (came - told.p50).as_seconds_f64().abs() / took,
    }
}

fn score(mut hits: Vec<Hit>) -> Option<Score> {
    if hits.is_empty() {
        return None;
    }
    hits.sort_by(|one, other| one.error.total_cmp(&other.error));
    let count = hits.len();
    let share = |within: fn(&Hit) -> bool| hits.iter().filter(|hit| within(hit)).count() as f64 / count as f64;
    Some(Score {
        count: count as u64,
        within_p50: share(|hit| hit.within_p50),
        within_p90: share(|hit| hit.within_p90),
        median_relative_error: hits[count / 2].error,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    #[test]
    fn forecasts_are_compared_with_what_came() {
        let made_at = datetime!(2026-01-02 03:04:05 UTC);
        let at = |seconds| made_at + Duration::from_secs(seconds);
        let told = Foretold { p50: at(10), p90: at(20) };
        let outcome =
            |came| ForetoldOutcome { kind: "echo".to_owned(), made_at, start: None, finish: Some((told, at(came))) };
        let seen = calibrations(&[outcome(5), outcome(10), outcome(20), outcome(40)]);
        let finish = seen[0].finish.clone().unwrap();
        assert_eq!((seen.len(), seen[0].start.is_none(), finish.count), (1, true, 4));
        assert_eq!((finish.within_p50, finish.within_p90), (0.5, 0.75));
        // Off by 5 of 5, 0 of 10, 10 of 20 and 30 of 40 seconds.
        assert_eq!(finish.median_relative_error, 0.75);
        assert_eq!(calibrations(&[]), []);
    }
}
