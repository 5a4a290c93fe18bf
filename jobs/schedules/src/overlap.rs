//! What happens when a fire is due and the task of an earlier one has not ended.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::word::{UnknownWord, named};

/// What a schedule does with a fire while tasks of earlier ones have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The fire makes no task.
    #[default]
    Skip,
    /// Its task waits until the earlier one has ended. One waits at most: a schedule that is always too slow must not pile up.
    Queue,
    /// The earlier task is cancelled, and this one starts.
    Replace,
    /// It starts beside the earlier ones.
    Allow,
}

/// What becomes of a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// It makes a task.
    Now,
    /// It makes a task that waits for the one that has not ended.
    Behind,
    /// Those that have not ended are cancelled, and it makes a task.
    Instead,
    /// It makes none, because of those that have not ended.
    Not,
}

impl Overlap {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Skip, Self::Queue, Self::Replace, Self::Allow];

    /// Its word, as clients and rows have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Replace => "replace",
            Self::Allow => "allow",
        }
    }

    /// What becomes of a fire, when `unfinished` tasks of earlier fires have not ended, and perhaps another fire waits for their end
    /// already.
    #[must_use]
    pub fn decide(self, unfinished: u64, one_waits: bool) -> Start {
        match self {
            Self::Allow => Start::Now,
            _ if unfinished == 0 && !one_waits => Start::Now,
            Self::Replace => Start::Instead,
            Self::Queue if !one_waits => Start::Behind,
            Self::Queue | Self::Skip => Start::Not,
        }
    }
}

impl FromStr for Overlap {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        named(word, &Self::ALL, Self::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let cases = [(0, false), (1, false), (100, false), (1, true), (0, true)];
        let decided = |overlap: Overlap| cases.map(|(unfinished, waits)| overlap.decide(unfinished, waits));
        assert_eq!(decided(Overlap::Skip), [Start::Now, Start::Not, Start::Not, Start::Not, Start::Not]);
        assert_eq!(decided(Overlap::Queue), [Start::Now, Start::Behind, Start::Behind, Start::Not, Start::Not]);
        let instead = [Start::Instead; 4];
        assert_eq!(decided(Overlap::Replace), [&[Start::Now][..], &instead].concat()[..]);
        assert_eq!(decided(Overlap::Allow), [Start::Now; 5]);
    }
}
