//! One start of scheduled work.

use time::{OffsetDateTime, PrimitiveDateTime};

/// A time at which a schedule starts its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    /// The time that the schedule means: the name of the fire, unique in its schedule. In UTC.
    pub at: OffsetDateTime,
    /// When it starts: `at` and its jitter. In UTC, never before `at`, always before the next fire.
    pub due: OffsetDateTime,
    /// `at` by the wall clock of the schedule's zone.
    pub local: OffsetDateTime,
    /// What is odd about it; most fires have nothing.
    pub oddity: Option<Oddity>,
}

/// Why a fire is not simply where its expression says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The clocks were set forward over the time that was meant, so it starts as soon as there is a time again.
    Skipped {
        /// The first time of the expression that did not exist.
        meant: PrimitiveDateTime,
    },
    /// The clocks are set back over this time, so it comes twice. This is the first one.
    FirstOfTwo,
    /// This is the second one.
    SecondOfTwo,
}

impl std::fmt::Display for Oddity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Skipped { meant } => {
                write!(f, "{meant} does not exist on this day: the clocks are set forward over it")
            }
            Self::FirstOfTwo => f.write_str("this time comes twice, because the clocks are set back: the first one"),
            Self::SecondOfTwo => f.write_str("this time comes twice, because the clocks are set back: the second one"),
        }
    }
}
