//! One field of an expression: a list of values, ranges and steps, as a set of numbers.

use std::fmt;

use super::error::{CronError, Reason};

/// A field of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Only in expressions of six fields.
    Second,
    /// 0-59.
    Minute,
    /// 0-23.
    Hour,
    /// 1-31.
    DayOfMonth,
    /// 1-12.
    Month,
    /// 0-7.
    DayOfWeek,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A piece of an expression, and its column.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) column: usize,
    pub(super) text: &'a str,
}

impl<'a> Piece<'a> {
    /// What stands before and after the first `mark`.
    pub(super) fn split(self, mark: char) -> (Self, Option<Self>) {
        match self.text.split_once(mark) {
            None => (self, None),
            Some((before, after)) => {
                let column = self.column + before.chars().count() + 1;
                (Self { text: before, ..self }, Some(Self { column, text: after }))
            }
        }
    }

    /// The items of a list.
    pub(super) fn items(self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let (item, more) = rest?.split(',');
            rest = more;
            Some(item)
        })
    }
}

impl Field {
    /// The set that a word means: bit `n` for the number `n`.
    pub(super) fn values(self, (column, text): (usize, &str)) -> Result<u64, CronError> {
        let items = Piece { column, text }.items();
        items.map(|item| self.item(item)).try_fold(0, |all, set| Ok(all | set?))
    }

    /// One item: `*`, a value, or a range, with or without a step.
    pub(super) fn item(self, item: Piece<'_>) -> Result<u64, CronError> {
        let (range, step) = item.split('/');
        let (first, last) = self.bounds();
        let (from, to) = match range.split('-') {
            (Piece { text: "*", .. }, None) => (first, self.end()),
            (one, None) if step.is_some() => (self.value(one)?, self.end()),
            (one, None) => {
                let value = self.value(one)?;
                (value, value)
            }
            (from, Some(to)) => {
                let (low, high) = (self.value(from)?, self.value(to)?);
                // The week may be thought to end with Sunday.
                let ends_on_sunday = self == Self::DayOfWeek && to.text.eq_ignore_ascii_case(WEEKDAYS[0]);
                (low, if ends_on_sunday { last } else { high })
            }
        };
        if from > to {
            return Err(CronError::at(self, range.column, Reason::Backwards(range.text.to_owned())));
        }
        let step = step.map_or(Ok(1), |step| self.step(step, self.end() - first))?;
        let set = (from..=to).step_by(step).fold(0, |set, value| set | 1 << value);
        // 7 is Sunday as well.
        Ok(if self == Self::DayOfWeek { (set | set >> 7) & 0x7f } else { set })
    }

    /// A number or a name.
    pub(super) fn value(self, piece: Piece<'_>) -> Result<u32, CronError> {
        let Piece { column, text } = piece;
        if text.is_empty() {
            return Err(CronError::at(self, column, Reason::Missing));
        }
        let names: &[&str] = match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        };
        let (first, last) = self.bounds();
        if let Some(nth) = names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
            return Ok(if self == Self::Month { nth as u32 + 1 } else { nth as u32 });
        }
        self.number(piece, first, last)
    }

    /// A number within `first` and `last`.
    pub(super) fn number(self, Piece { column, text }: Piece<'_>, first: u32, last: u32) -> Result<u32, CronError> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number of forty digits is one, and too large.
        match is_number.then(|| text.parse().unwrap_or(u32::MAX)) {
            None if text.is_empty() => Err(CronError::at(self, column, Reason::Missing)),
            None => Err(CronError::at(self, column, Reason::NotAValue(text.to_owned()))),
            Some(value) if (first..=last).contains(&value) => Ok(value),
            Some(value) => Err(CronError::at(self, column, Reason::Outside { value, first, last })),
        }
    }

    fn step(self, piece: Piece<'_>, longest: u32) -> Result<usize, CronError> {
        match self.number(piece, 0, u32::MAX)? {
            0 => Err(CronError::at(self, piece.column, Reason::StepZero)),
            step if step > longest => Err(CronError::at(self, piece.column, Reason::StepTooLong(step))),
            step => Ok(step as usize),
        }
    }

    fn bounds(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 7),
        }
    }

    /// Where `*` and `5/2` end. A week has one Sunday.
    fn end(self) -> u32 {
        if self == Self::DayOfWeek { 6 } else { self.bounds().1 }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}
