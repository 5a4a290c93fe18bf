//! What is wrong with an expression, and where.

use std::fmt;

use super::{Field, NAMED};

/// A text that is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    /// The field, where it is one.
    pub field: Option<Field>,
    /// The column, from 1 and in characters, where it is one place.
    pub column: Option<usize>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("an expression has 5 fields, or 6 with seconds first; this has {count}")]
    Fields { count: usize },
    #[error("an expression is not longer than {most} characters")]
    TooLong { most: usize },
    #[error("{0} is not one of {names}", names = NAMED.map(|(name, _)| name).join(", "))]
    UnknownName(String),
    #[error("no day ever matches")]
    Never,
    #[error("a value is missing")]
    Missing,
    #[error("{0} is neither a number nor a name of this field")]
    NotAValue(String),
    #[error("{value} is not within {first}-{last}")]
    Outside { value: u32, first: u32, last: u32 },
    #[error("the range {0} runs backwards; write it as two, joined by a comma")]
    Backwards(String),
    #[error("a step of 0 goes nowhere")]
    StepZero,
    #[error("a step of {0} leaves the field at once; for other intervals there is every_ms")]
    StepTooLong(u32),
    #[error("the nearest weekday (W) is not supported")]
    NearestWeekday,
}

impl CronError {
    pub(super) fn whole(reason: Reason) -> Self {
        Self { field: None, column: None, reason }
    }

    pub(super) fn at(field: Field, column: usize, reason: Reason) -> Self {
        Self { field: Some(field), column: Some(column), reason }
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(field), Some(column)) = (self.field, self.column) {
            write!(f, "{field}, column {column}: ")?;
        }
        self.reason.fmt(f)
    }
}

impl std::error::Error for CronError {}
