//! What time it is for schedules, between two times that Postgres was asked.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// An answer that is this far behind the others was not late: the clock of Postgres was set back.
const SET_BACK: Duration = Duration::from_millis(50);

/// The clock of Postgres as it goes on by the steady clock of this process: the time of day of this host is never asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    said: OffsetDateTime,
    heard: Instant,
}

impl Clock {
    /// A clock that said this just now.
    pub(super) fn of(said: OffsetDateTime) -> Self {
        Self { said, heard: Instant::now() }
    }

    /// What it shows now.
    pub(super) fn now(self) -> OffsetDateTime {
        self.said + self.heard.elapsed()
    }

    /// How long until it shows a time; zero if it has.
    pub(super) fn until(self, at: OffsetDateTime) -> Duration {
        Duration::try_from(at - self.now()).unwrap_or_default()
    }

    /// It said this just now. Answers are behind by the time that they were on their way, so the one that is the furthest ahead holds.
    pub(super) fn hear(&mut self, said: OffsetDateTime) {
        let now = self.now();
        if said > now || now - said > SET_BACK {
            *self = Self::of(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_follows_jumps_and_forgives_late_answers() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let mut clock = Clock::of(start);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now(), start + Duration::from_secs(10));
        clock.hear(start + Duration::from_millis(9_980));
        assert_eq!(clock.now(), start + Duration::from_secs(10), "an answer that was 20 ms on its way");
        clock.hear(start + Duration::from_millis(10_005));
        assert_eq!(clock.now(), start + Duration::from_millis(10_005));
        for jump in [Duration::from_secs(5), Duration::from_secs(3_600)] {
            clock.hear(start + jump);
            assert_eq!(clock.now(), start + jump);
        }
        assert_eq!(clock.until(start), Duration::ZERO);
        assert_eq!(clock.until(start + Duration::from_secs(3_601)), Duration::from_secs(1));
    }
}
