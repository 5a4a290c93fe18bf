//! Which fires start now, and which are left out because nobody was there for them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{
    fire::Fire,
    schedule::Schedule,
    word::{UnknownWord, named},
};

/// A fire that is at most this late is on time: that another scheduler takes over is no reason to leave it out.
pub const GRACE: Duration = Duration::seconds(10);

/// What happens to fires that are later than [`GRACE`]: no scheduler ran, or Postgres was away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The latest one starts, if none is on time.
    #[default]
    Latest,
    /// They start, the latest so many.
    All {
        /// How many start at once, those that are on time among them.
        max: u32,
    },
}

impl CatchUp {
    /// The word of each.
    pub const NAMES: [&str; 3] = ["none", "latest", "all"];

    /// Its word, as clients and rows have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latest => "latest",
            Self::All { .. } => "all",
        }
    }

    /// The one of this word; `max` is for `all` alone.
    ///
    /// # Errors
    /// When it is no such word.
    pub fn read(word: &str, max: u32) -> Result<Self, UnknownWord> {
        named(word, &[Self::None, Self::Latest, Self::All { max }], Self::name)
    }
}

impl Why {
    /// Its word, as clients and rows have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Missed => "missed",
            Self::TooMany => "too_many",
        }
    }
}

/// What is to be done at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// These start now, in this order.
    pub fires: Vec<Fire>,
    /// Those before them that do not.
    pub left_out: Option<LeftOut>,
    /// The next one after now.
    pub next: Option<Fire>,
}

/// Fires that do not start. They may be millions, so they are told by their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The `at` of the first one.
    pub first: OffsetDateTime,
    /// All before this one.
    pub until: OffsetDateTime,
    /// The reason.
    pub why: Why,
}

/// Why fires do not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The schedule was paused.
    Paused,
    /// They were missed, and the schedule does not catch up with them.
    Missed,
    /// They were missed, and there are more of them than it catches up with.
    TooMany,
}

impl Schedule {
    /// What is to be done at `now`, when every fire whose `at` is not after `last` has been decided.
    ///
    /// It looks at a bounded number of fires, however long nobody was there.
    #[must_use]
    pub fn due(&self, last: OffsetDateTime, now: OffsetDateTime, catch_up: CatchUp) -> Due {
        let on_time = self.since(now.saturating_sub(GRACE), last, now);
        let (fires, why) = match catch_up {
            CatchUp::None => (on_time, Why::Missed),
            CatchUp::Latest if !on_time.is_empty() => (on_time, Why::Missed),
            CatchUp::Latest => (self.latest(1, last, now), Why::Missed),
            CatchUp::All { max } => (self.latest(max as usize, last, now), Why::TooMany),
        };
        let until = fires.first().map_or(now, |fire| fire.at);
        let left_out = self.left_out(last, until, now, why);
        let decided = fires.last().map_or(last, |fire| fire.at);
        Due { next: self.next_due(decided, now), fires, left_out }
    }

    /// What is to be done at `now` by a schedule that is paused: nothing, and to know what was left out.
    #[must_use]
    pub fn paused(&self, last: OffsetDateTime, now: OffsetDateTime) -> Due {
        Due { left_out: self.left_out(last, now, now, Why::Paused), ..Due::default() }
    }

    /// The first fire after `last` that is due after `now`.
    fn next_due(&self, last: OffsetDateTime, now: OffsetDateTime) -> Option<Fire> {
        self.after(self.decided(last, now))
    }

    /// The fires after `last` that are due after `since`, up to `now`.
    fn since(&self, since: OffsetDateTime, last: OffsetDateTime, now: OffsetDateTime) -> Vec<Fire> {
        self.fires(self.decided(last, since), now).collect()
    }

    /// A time that is not before `last`, up to which all fires were due at `now`, and after which none was.
    fn decided(&self, last: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
        if self.jitter.most.is_zero() {
            return last.max(now);
        }
        // A fire before now may still be put off.
        self.latest(1, last, now).first().map_or(last, |fire| fire.at)
    }

    /// The latest `count` fires after `last` that are due at `now`.
    fn latest(&self, count: usize, last: OffsetDateTime, now: OffsetDateTime) -> Vec<Fire> {
        // Looks back further and further, until there are enough or everything was seen.
        let mut back = Duration::MINUTE;
        loop {
            let from = last.max(now.saturating_sub(back));
            let mut latest = VecDeque::with_capacity(count.min(1_024));
            for fire in self.fires(from, now) {
                latest.push_back(fire);
                if latest.len() > count {
                    latest.pop_front();
                }
            }
            if latest.len() == count || from == last {
                return latest.into();
            }
            back = back.saturating_mul(4);
        }
    }

    /// The fires whose `at` is after `from` and that are due at `now`.
    fn fires(&self, from: OffsetDateTime, now: OffsetDateTime) -> impl Iterator<Item = Fire> {
        let next = |fire: &Fire| self.after(fire.at);
        std::iter::successors(self.after(from), next).take_while(move |fire| fire.due <= now)
    }

    /// What lies after `last` and before `until`, and is due at `now`.
    fn left_out(&self, last: OffsetDateTime, until: OffsetDateTime, now: OffsetDateTime, why: Why) -> Option<LeftOut> {
        let first = self.after(last).filter(|fire| fire.at < until && fire.due <= now)?;
        Some(LeftOut { first: first.at, until, why })
    }
}
