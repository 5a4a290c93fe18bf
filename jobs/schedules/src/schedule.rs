//! A schedule: what it means, in which zone, between which times.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    cron::Cron,
    fire::{Fire, Oddity},
    instant,
    zone::{Dst, Is, Zone},
};

/// Everything that decides when a schedule fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Which times.
    pub when: When,
    /// Whose wall clock. Intervals only show it.
    pub zone: Zone,
    /// What becomes of times that clocks skip or show twice. Intervals have none.
    pub dst: Dst,
    /// How long a fire may be put off.
    pub jitter: Jitter,
    /// No fire before this.
    pub starts_at: Option<OffsetDateTime>,
    /// No fire at this or after it.
    pub ends_at: Option<OffsetDateTime>,
}

/// Which times a schedule means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Those of a wall clock.
    Cron(Cron),
    /// Steady ones, whatever the clocks show: multiples of the interval, counted from `starts_at`, or from 1970 without one.
    Every(Every),
}

/// A steady interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    milliseconds: u64,
}

/// An interval that is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval is at least {} and at most {} milliseconds", Every::SHORTEST_MS, Every::LONGEST_MS)]
pub struct EveryError;

impl Every {
    /// A second: what starts more often is a loop, and a task of its own.
    pub const SHORTEST_MS: u64 = 1_000;
    /// Ten years of 365 days.
    pub const LONGEST_MS: u64 = 315_360_000_000;

    /// An interval of so many milliseconds.
    ///
    /// # Errors
    /// [`EveryError`] outside of [`SHORTEST_MS`](Self::SHORTEST_MS) and [`LONGEST_MS`](Self::LONGEST_MS).
    pub fn milliseconds(milliseconds: u64) -> Result<Self, EveryError> {
        let is_sensible = (Self::SHORTEST_MS..=Self::LONGEST_MS).contains(&milliseconds);
        if is_sensible { Ok(Self { milliseconds }) } else { Err(EveryError) }
    }

    /// The first multiple after `after`, counted from `anchor`, which is the first one itself.
    fn next(self, anchor: OffsetDateTime, after: OffsetDateTime) -> Option<OffsetDateTime> {
        let (anchor, after) = (instant::milliseconds(anchor), instant::milliseconds(after));
        let interval = i128::from(self.milliseconds);
        let passed = (after - anchor).div_euclid(interval) + 1;
        instant::from_milliseconds(anchor + passed.max(0) * interval)
    }
}

/// How long fires are put off, so that many schedules of one time do not all start at once.
///
/// Each fire has its own delay below `most`, and never one that reaches the next fire. It depends on nothing but the schedule and the time
/// of the fire: all schedulers agree, and asking again gives the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Jitter {
    /// The delay is shorter than this. Zero for none.
    pub most: Duration,
    /// What tells the schedule from others: its id.
    pub seed: u128,
}

impl Jitter {
    /// Milliseconds below `most_ms`.
    fn delay(&self, at: OffsetDateTime, most_ms: u64) -> i64 {
        let (high, low) = ((self.seed >> 64) as u64, self.seed as u64);
        let fire = instant::milliseconds(at) as u64;
        let drawn = mixed(mixed(mixed(high) ^ low) ^ fire);
        // The high half of the product is below `most_ms`, and even enough.
        ((u128::from(drawn) * u128::from(most_ms)) >> 64) as i64
    }
}

impl Schedule {
    /// A schedule of a cron expression, without jitter, start and end.
    #[must_use]
    pub fn cron(cron: Cron, zone: Zone) -> Self {
        let (dst, jitter) = (Dst::default(), Jitter::default());
        Self { when: When::Cron(cron), zone, dst, jitter, starts_at: None, ends_at: None }
    }

    /// The first fire whose `at` is after `after`. `None` when there is none before `ends_at`.
    #[must_use]
    pub fn after(&self, after: OffsetDateTime) -> Option<Fire> {
        let fire = self.nominal(after)?;
        if self.jitter.most.is_zero() {
            return Some(fire);
        }
        // A fire that is put off must not meet the next one.
        let gap = self.nominal(fire.at).and_then(|next| Duration::try_from(next.at - fire.at).ok());
        let most = self.jitter.most.min(gap.unwrap_or(self.jitter.most));
        let delay = self.jitter.delay(fire.at, instant::as_milliseconds(most));
        let due = fire.at.saturating_add(time::Duration::milliseconds(delay));
        Some(Fire { due, ..fire })
    }

    /// The next `count` fires whose `at` is after `after`: what a person wants to see before saying yes. Fewer where it ends.
    #[must_use]
    pub fn preview(&self, after: OffsetDateTime, count: usize) -> Vec<Fire> {
        let next = |fire: &Fire| self.after(fire.at);
        std::iter::successors(self.after(after), next).take(count).collect()
    }

    /// As [`after`](Self::after), before any jitter.
    fn nominal(&self, after: OffsetDateTime) -> Option<Fire> {
        // The start itself may be a fire.
        let start = self.starts_at.map(|start| start.saturating_sub(time::Duration::NANOSECOND));
        let after = start.map_or(after, |start| after.max(start));
        let fire = match &self.when {
            When::Cron(cron) => self.wall_clock(cron, after)?,
            When::Every(every) => {
                let at = every.next(self.starts_at.unwrap_or(OffsetDateTime::UNIX_EPOCH), after)?;
                Fire { at, due: at, local: self.zone.shows(at), oddity: None }
            }
        };
        self.ends_at.is_none_or(|end| fire.at < end).then_some(fire)
    }

    fn wall_clock(&self, cron: &Cron, after: OffsetDateTime) -> Option<Fire> {
        let found = self.zone.next(cron, self.dst.law(cron), instant::seconds(after))?;
        let at = instant::utc(found.seconds);
        let oddity = match found.is {
            Is::Plain => None,
            Is::First => Some(Oddity::FirstOfTwo),
            Is::Second => Some(Oddity::SecondOfTwo),
            Is::InsteadOf(meant) => Some(Oddity::Skipped { meant: instant::civil(meant) }),
        };
        Some(Fire { at, due: at, local: instant::local(at, found.offset), oddity })
    }
}

/// Bits that look drawn by lot, the same everywhere and for ever (Steele, Lea and Flood, *Fast splittable pseudorandom number
/// generators*, 2014: the finalizer of SplitMix64).
fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
