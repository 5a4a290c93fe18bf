//! An opportunity over time: opened, changed, closed, without flapping.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// So many runs must agree before something is said.
const RUNS: u8 = 2;

/// What is remembered of an opportunity between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watch {
    /// The saving that was last told, in per cent; `None` while it is closed.
    pub told_pct: Option<Decimal>,
    /// How many runs in a row said something else.
    pub runs: u8,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `opportunity.opened`
    Opened,
    /// `opportunity.changed`
    Changed,
    /// `opportunity.closed`
    Closed,
}

impl Watch {
    /// Takes in the saving of one good run. It opens at `min_spread_pct` and closes below four fifths of that, each
    /// when two runs agree; while it is open, a saving that differs by `step_pct` points from the one that was told is
    /// a change.
    pub fn observe(&mut self, saving_pct: Decimal, min_spread_pct: Decimal, step_pct: Decimal) -> Option<Change> {
        let closes_below = min_spread_pct.saturating_mul(Decimal::new(8, 1));
        let change = match self.told_pct {
            None if saving_pct >= min_spread_pct => Change::Opened,
            Some(_) if saving_pct < closes_below => Change::Closed,
            Some(told) if (saving_pct - told).abs() >= step_pct => Change::Changed,
            _ => {
                self.runs = 0;
                return None;
            }
        };
        self.runs += 1;
        if self.runs < RUNS {
            return None;
        }
        *self = Self { told_pct: (change != Change::Closed).then_some(saving_pct), runs: 0 };
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_and_closes_once_however_it_flaps() {
        let mut watch = Watch::default();
        let mut run = |pct: i64| watch.observe(Decimal::from(pct), Decimal::from(15), Decimal::from(5));
        let said: Vec<_> = [20, 10, 20, 20, 14, 13, 11, 20, 11, 10, 10].into_iter().map(&mut run).collect();
        let expected =
            [None, None, None, Some(Change::Opened), None, None, None, None, None, Some(Change::Closed), None];
        // 14 and 13 are more than five points below 20, so that is a change before the end.
        assert_eq!(said[..4], expected[..4]);
        assert_eq!(said[5], Some(Change::Changed));
        assert_eq!(said.iter().filter(|change| **change == Some(Change::Closed)).count(), 1);
    }
}
