//! What happens when a fire is due and the task of an earlier one has not ended.

use serde::{Deserialize, Serialize};

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
    /// What becomes of a fire, when `unfinished` tasks of earlier fires have not ended, waiting ones among them.
    #[must_use]
    pub fn decide(self, unfinished: u32) -> Start {
        match (self, unfinished) {
            (_, 0) | (Self::Allow, _) => Start::Now,
            (Self::Replace, _) => Start::Instead,
            (Self::Queue, 1) => Start::Behind,
            (Self::Queue | Self::Skip, _) => Start::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        let decided = |overlap: Overlap| [0, 1, 2, 100].map(|unfinished| overlap.decide(unfinished));
        assert_eq!(decided(Overlap::Skip), [Start::Now, Start::Not, Start::Not, Start::Not]);
        assert_eq!(decided(Overlap::Queue), [Start::Now, Start::Behind, Start::Not, Start::Not]);
        assert_eq!(decided(Overlap::Replace), [Start::Now, Start::Instead, Start::Instead, Start::Instead]);
        assert_eq!(decided(Overlap::Allow), [Start::Now; 4]);
    }
}
