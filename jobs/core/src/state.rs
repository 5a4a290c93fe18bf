//! The life of a task: every state, every event, and the one function that knows every move.

use std::{fmt, str::FromStr};

use Event as E;
use State as S;

/// Where a task stands. Its spelling is what the database holds; see [`State::status`] for what clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for its time to come.
    Scheduled,
    /// Waits for other tasks.
    Blocked,
    /// Ready: the next free worker takes it.
    Queued,
    /// An attempt of it runs.
    Running,
    /// An attempt of it runs, and somebody asked to stop it.
    Canceling,
    /// An attempt failed; waits for the next one.
    Retrying,
    /// Ended: it did what was asked.
    Succeeded,
    /// Ended: it will not be tried again.
    Failed,
    /// Ended: somebody stopped it.
    Canceled,
    /// Ended: its deadline passed before it could start.
    Expired,
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its time came: the start that was asked for, or the end of a back-off.
    Due,
    /// The tasks it waited for have succeeded.
    Unblock,
    /// The tasks it waited for have succeeded, and its time has not come.
    Defer,
    /// A task it waited for ended without success.
    Skip,
    /// A worker claimed it.
    Start,
    /// The attempt did its work.
    Succeed,
    /// The attempt failed and there is no next one.
    Fail,
    /// The attempt failed and there is a next one.
    Retry,
    /// Somebody asked to stop it.
    Cancel,
    /// The attempt stopped because it was asked to.
    Stop,
    /// The worker stopped living: its lease ran out.
    Lose,
    /// The worker stopped living, once more than a task may survive.
    Poison,
    /// The worker gives it back unfinished, without blame.
    Release,
    /// Its deadline passed.
    Expire,
    /// It ended without success, and somebody wants it tried again.
    Reopen,
}

/// This event cannot happen in this state. A value, so that a caller can say it to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {} cannot {}", from.status(), event.name())]
pub struct Refused {
    /// The state the task is in.
    pub from: State,
    /// What was to happen.
    pub event: Event,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [State; 10] = [
        S::Scheduled,
        S::Blocked,
        S::Queued,
        S::Running,
        S::Canceling,
        S::Retrying,
        S::Succeeded,
        S::Failed,
        S::Canceled,
        S::Expired,
    ];

    /// The state after `event`.
    ///
    /// # Errors
    /// [`Refused`] when the event cannot happen in this state. A terminal state refuses everything but the
    /// repetition of the cancel that made it and, where the task did not succeed, [`Event::Reopen`].
    pub fn on(self, event: Event) -> Result<Self, Refused> {
        let next = match (self, event) {
            (S::Scheduled | S::Retrying, E::Due) => S::Queued,
            (S::Blocked, E::Unblock) => S::Queued,
            (S::Blocked, E::Defer) => S::Scheduled,
            (S::Blocked, E::Skip) => S::Canceled,
            (S::Queued, E::Start) => S::Running,

            (S::Running, E::Succeed) => S::Succeeded,
            (S::Running, E::Fail | E::Poison) => S::Failed,
            (S::Running, E::Retry) => S::Retrying,
            (S::Running, E::Lose | E::Release) => S::Queued,
            (S::Running, E::Cancel) => S::Canceling,

            // It finished before it noticed.
            (S::Canceling, E::Succeed) => S::Succeeded,
            // Whatever else ends the attempt, nobody wants another one.
            (S::Canceling, E::Stop | E::Fail | E::Retry | E::Lose | E::Poison | E::Release) => S::Canceled,

            (S::Scheduled | S::Blocked | S::Queued | S::Retrying, E::Cancel) => S::Canceled,
            (S::Scheduled | S::Blocked | S::Queued | S::Retrying, E::Expire) => S::Expired,

            // It ends once more.
            (S::Failed | S::Canceled | S::Expired, E::Reopen) => S::Queued,

            // Asking twice is not an error.
            (S::Canceling | S::Canceled, E::Cancel) => self,

            (from, event) => return Err(Refused { from, event }),
        };
        Ok(next)
    }

    /// Nothing changes a task in such a state any more, unless somebody opens it again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, S::Succeeded | S::Failed | S::Canceled | S::Expired)
    }

    /// A worker holds the task.
    #[must_use]
    pub fn is_held(self) -> bool {
        matches!(self, S::Running | S::Canceling)
    }

    /// The spelling in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            S::Scheduled => "scheduled",
            S::Blocked => "blocked",
            S::Queued => "queued",
            S::Running => "running",
            S::Canceling => "canceling",
            S::Retrying => "retrying",
            S::Succeeded => "succeeded",
            S::Failed => "failed",
            S::Canceled => "canceled",
            S::Expired => "expired",
        }
    }

    /// The word that clients read. A task that is asked to stop still runs, and says so.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            S::Canceling => S::Running.name(),
            other => other.name(),
        }
    }
}

impl Event {
    /// All events.
    pub const ALL: [Event; 15] = [
        E::Due,
        E::Unblock,
        E::Defer,
        E::Skip,
        E::Start,
        E::Succeed,
        E::Fail,
        E::Retry,
        E::Cancel,
        E::Stop,
        E::Lose,
        E::Poison,
        E::Release,
        E::Expire,
        E::Reopen,
    ];

    /// The spelling in the history.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            E::Due => "due",
            E::Unblock => "unblock",
            E::Defer => "defer",
            E::Skip => "skip",
            E::Start => "start",
            E::Succeed => "succeed",
            E::Fail => "fail",
            E::Retry => "retry",
            E::Cancel => "cancel",
            E::Stop => "stop",
            E::Lose => "lose",
            E::Poison => "poison",
            E::Release => "release",
            E::Expire => "expire",
            E::Reopen => "reopen",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let known = Self::ALL.into_iter().find(|state| state.name() == text);
        known.ok_or_else(|| UnknownState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole law, a row a state and a column an event; `-` is refused.
    fn table() -> String {
        let mut out = format!("{:10}", "");
        for event in Event::ALL {
            out.push_str(&format!(" {:9}", event.name()));
        }
        for state in State::ALL {
            out.push_str(&format!("\n{:10}", state.name()));
            for event in Event::ALL {
                let next = state.on(event).map_or("-", State::name);
                out.push_str(&format!(" {next:9}"));
            }
        }
        out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_law_is_this_table() {
        insta::assert_snapshot!(table());
    }

    #[test]
    fn nothing_leaves_a_terminal_state_but_a_new_opening_of_what_did_not_succeed() {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            for event in Event::ALL {
                let opens = event == Event::Reopen && state != State::Succeeded;
                let next = if opens { Ok(State::Queued) } else { Ok(state) };
                assert!(state.on(event) == next || (!opens && state.on(event).is_err()), "{state} {event:?}");
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_every_task_can_end() {
        for state in State::ALL {
            let reached = matches!(state, State::Scheduled | State::Blocked | State::Queued)
                || State::ALL
                    .into_iter()
                    .any(|from| from != state && Event::ALL.into_iter().any(|event| from.on(event) == Ok(state)));
            assert!(reached, "{state} is never reached");

            let mut seen = vec![state];
            let mut at = 0;
            while at < seen.len() {
                for event in Event::ALL {
                    if let Ok(next) = seen[at].on(event)
                        && !seen.contains(&next)
                    {
                        seen.push(next);
                    }
                }
                at += 1;
            }
            assert!(seen.iter().any(|state| state.is_terminal()), "{state} never ends");
        }
    }

    #[test]
    fn a_name_is_read_back() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert!("RUNNING".parse::<State>().is_err());
    }
}
