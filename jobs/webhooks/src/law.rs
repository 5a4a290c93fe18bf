//! The law of retries: what an answer means, when the next attempt comes, how long an endpoint is left alone, and when it is given up.
//! It knows no clock and does nothing.

use std::time::Duration;

/// So long after the attempt before comes each of the next ones: ten attempts in a bit more than three days.
pub const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(5 * 3_600),
    Duration::from_secs(10 * 3_600),
    Duration::from_secs(14 * 3_600),
    Duration::from_secs(20 * 3_600),
    Duration::from_secs(24 * 3_600),
];
/// A wait is longer or shorter by up to this part of it, so that what failed together does not come back together.
const JITTER: f64 = 0.1;
/// An endpoint that did not answer once is left alone for a moment: that happens. One that did not answer again rests longer, twice as long
/// after each further failure in a row, and no longer than [`LONGEST_REST`].
const MOMENT: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(300);
/// No receiver keeps us waiting for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// One that answers, but always that it failed, is left alone after so many failures in a row, too.
const TIRING: u32 = 50;
/// An endpoint all of whose attempts failed for this long is disabled, if there were so many.
const GIVE_UP: Duration = Duration::from_secs(5 * 24 * 3_600);
const GIVE_UP_FAILURES: u32 = 5;

/// The law, at a pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// Time runs so many times faster; 1 but for tests.
    pub pace: f64,
}

/// How an attempt went, as far as the law is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// An answer with this status.
    Answered(u16),
    /// No answer, or none in time.
    Nothing,
}

/// What an attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was received.
    Received,
    /// It was not.
    NotReceived {
        /// The endpoint needs to be left alone: it says so, or it says nothing.
        is_overloaded: bool,
    },
    /// There is nobody, and never will be.
    Gone,
}

impl Verdict {
    /// What was seen means this. A redirect is not followed: it was not received.
    #[must_use]
    pub fn of(seen: Seen) -> Self {
        match seen {
            Seen::Answered(200..=299) => Self::Received,
            Seen::Answered(410) => Self::Gone,
            Seen::Answered(429 | 502 | 503 | 504) | Seen::Nothing => Self::NotReceived { is_overloaded: true },
            Seen::Answered(_) => Self::NotReceived { is_overloaded: false },
        }
    }
}

impl Law {
    /// How long the next attempt waits after so many, at least as long as the receiver asked for; nothing when there is none. `chance` is
    /// from 0 to 1.
    #[must_use]
    pub fn wait(self, tried: u32, retry_after: Option<Duration>, chance: f64) -> Option<Duration> {
        let wait = WAITS.get(usize::try_from(tried).ok()?.checked_sub(1)?)?;
        let wait = self.scaled(wait.mul_f64(1.0 + JITTER * (2.0 * chance - 1.0)));
        Some(wait.max(asked(retry_after)))
    }

    /// How long an endpoint is left alone after so many failures in a row; nothing when it need not be.
    #[must_use]
    pub fn rest(self, failures: u32, is_overloaded: bool, retry_after: Option<Duration>) -> Option<Duration> {
        let tired = if is_overloaded { failures } else { failures.saturating_sub(TIRING) };
        let rest = match tired {
            0 => Duration::ZERO,
            1 => self.scaled(MOMENT),
            _ => self.scaled((REST * (1 << (tired - 2).min(16))).min(LONGEST_REST)),
        };
        Some(rest.max(asked(retry_after))).filter(|rest| !rest.is_zero())
    }

    /// Whether an endpoint is given up all of whose attempts failed for so long.
    #[must_use]
    pub fn gives_up(self, failing: Duration, failures: u32) -> bool {
        failures >= GIVE_UP_FAILURES && failing >= self.scaled(GIVE_UP)
    }

    fn scaled(self, time: Duration) -> Duration {
        time.div_f64(self.pace)
    }
}

/// A wait that was asked for is one of the receiver's clock, whatever our pace is.
fn asked(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAW: Law = Law { pace: 1.0 };

    #[test]
    fn the_schedule_is_the_documented_one() {
        let waits: Vec<u64> = (1..).map_while(|tried| LAW.wait(tried, None, 0.5)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        assert_eq!(LAW.wait(10, Some(Duration::from_secs(1)), 0.5), None);
        assert_eq!(LAW.wait(0, None, 0.5), None, "nothing was tried");
    }

    #[test]
    fn answers_mean_what_is_documented() {
        let table: Vec<(u16, Verdict)> = [200, 204, 301, 308, 400, 404, 410, 429, 500, 502, 503, 504]
            .map(|status| (status, Verdict::of(Seen::Answered(status))))
            .to_vec();
        let not = |is_overloaded| Verdict::NotReceived { is_overloaded };
        assert_eq!(
            table,
            [
                (200, Verdict::Received),
                (204, Verdict::Received),
                (301, not(false)),
                (308, not(false)),
                (400, not(false)),
                (404, not(false)),
                (410, Verdict::Gone),
                (429, not(true)),
                (500, not(false)),
                (502, not(true)),
                (503, not(true)),
                (504, not(true)),
            ]
        );
        assert_eq!(Verdict::of(Seen::Nothing), not(true));
    }

    #[test]
    fn an_endpoint_that_is_overloaded_rests_longer_and_longer_and_one_that_answers_does_not_at_first() {
        let rest = |failures, is_overloaded| LAW.rest(failures, is_overloaded, None).map(|rest| rest.as_secs());
        assert_eq!(
            [1, 2, 3, 7, 8, 1_000].map(|n| rest(n, true)),
            [Some(1), Some(5), Some(10), Some(160), Some(300), Some(300)]
        );
        assert_eq!([1, 50, 51, 53].map(|n| rest(n, false)), [None, None, Some(1), Some(10)]);
        assert_eq!(LAW.rest(1, false, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(LAW.rest(1, true, Some(Duration::MAX)), Some(LONGEST_RETRY_AFTER));
    }

    #[test]
    fn an_endpoint_is_given_up_after_five_days_of_failures() {
        let day = Duration::from_secs(86_400);
        assert!(!LAW.gives_up(5 * day - Duration::from_secs(1), 100));
        assert!(!LAW.gives_up(6 * day, 4), "two failures a week apart are no week of failures");
        assert!(LAW.gives_up(5 * day, 5) && Law { pace: 1e6 }.gives_up(Duration::from_secs(1), 5));
    }

    proptest! {
        #[test]
        fn waits_stay_near_the_schedule_and_are_never_shorter_than_asked(
            tried in 1_u32..10, chance in 0.0..=1.0_f64, asked in 0_u64..1_000_000, pace in 1.0..1e5_f64
        ) {
            let law = Law { pace };
            let planned = WAITS[tried as usize - 1].as_secs_f64() / pace;
            let plain = law.wait(tried, None, chance).unwrap().as_secs_f64();
            prop_assert!(plain >= planned * 0.899 && plain <= planned * 1.101);
            let asked = Duration::from_secs(asked);
            let wait = law.wait(tried, Some(asked), chance).unwrap();
            prop_assert!(wait >= asked.min(LONGEST_RETRY_AFTER));
        }
    }
}
