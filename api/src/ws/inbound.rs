//! What clients say on a socket.

use std::collections::HashMap;

use jobs_core::{Fault, TaskId};
use serde::Deserialize;

use crate::problem::{Code, Problem};

/// So many tasks are named in one message.
const TASKS_MAX: usize = 1_000;
/// A client's name for a subscription is no longer.
const ID_MAX: usize = 100;

/// One message of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Inbound {
    /// Proves who it is, where the request for the socket could not.
    Auth {
        /// An API key.
        key: String,
    },
    /// Wants to hear of tasks.
    Subscribe(Subscribe),
    /// Wants to hear of them no more.
    Unsubscribe {
        /// The subscription.
        id: String,
    },
    /// Asks whether anybody is there.
    Ping {
        /// Comes back in the answer.
        #[serde(default)]
        id: Option<String>,
    },
}

/// A wish to hear of tasks: of these, of those with a tag, or of those of a group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    /// The client's name for it.
    pub(super) id: String,
    #[serde(default)]
    pub(super) tasks: Option<Vec<String>>,
    #[serde(default)]
    pub(super) tag: Option<String>,
    #[serde(default)]
    pub(super) group: Option<String>,
    /// The last number that the client has, of each task that it knows.
    #[serde(default)]
    pub(super) after: HashMap<String, i64>,
}

/// Which tasks are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Tasks(Vec<TaskId>),
    Tag(String),
    Group(String),
}

impl Inbound {
    /// Reads a message.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|error| Problem::new(Code::Malformed, error.to_string()))
    }
}

impl Subscribe {
    /// Which tasks are meant, and where to begin with those that the client knows.
    pub(super) fn read(&self) -> Result<(Wanted, HashMap<TaskId, i64>), Problem> {
        let refuse = |pointer: &'static str, detail: &str| Err(Problem::invalid(vec![Fault::new(pointer, detail)]));
        if self.id.is_empty() || self.id.len() > ID_MAX {
            return refuse("/id", "must have 1 to 100 characters");
        }
        if self.after.len() > TASKS_MAX {
            return refuse("/after", "names more than 1000 tasks");
        }
        let wanted = match (&self.tasks, &self.tag, &self.group) {
            (Some(tasks), None, None) if (1..=TASKS_MAX).contains(&tasks.len()) => {
                let ids: Result<Vec<TaskId>, Problem> = tasks.iter().map(|id| parse(id)).collect();
                Wanted::Tasks(ids?)
            }
            (Some(_), None, None) => return refuse("/tasks", "must name 1 to 1000 tasks"),
            (None, Some(tag), None) => Wanted::Tag(tag.clone()),
            (None, None, Some(group)) => Wanted::Group(group.clone()),
            _ => return refuse("", "exactly one of `tasks`, `tag` and `group` must be there"),
        };
        let mut after = HashMap::with_capacity(self.after.len());
        for (id, seq) in &self.after {
            if *seq < 0 {
                return refuse("/after", "must have numbers of events");
            }
            after.insert(parse(id)?, *seq);
        }
        Ok((wanted, after))
    }
}

fn parse(id: &str) -> Result<TaskId, Problem> {
    id.parse().map_err(|_| Problem::no_task(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Wanted, Code> {
        let Inbound::Subscribe(subscribe) = Inbound::read(text).map_err(|problem| problem.code)? else {
            panic!("no subscription: {text}")
        };
        subscribe.read().map(|(wanted, _)| wanted).map_err(|problem| problem.code)
    }

    #[test]
    fn a_subscription_is_by_tasks_or_tag_or_group_and_by_nothing_else() {
        assert_eq!(wanted(r#"{"type":"subscribe","id":"a","tag":"x"}"#), Ok(Wanted::Tag("x".into())));
        let task = TaskId::new();
        let text = format!(r#"{{"type":"subscribe","id":"a","tasks":["{task}"],"after":{{"{task}":3}}}}"#);
        assert_eq!(wanted(&text), Ok(Wanted::Tasks(vec![task])));
        assert_eq!(wanted(r#"{"type":"subscribe","id":"a","tasks":["task_7"]}"#), Err(Code::TaskNotFound));
        for bad in [
            r#"{"type":"subscribe","id":"a"}"#,
            r#"{"type":"subscribe","id":"","tag":"x"}"#,
            r#"{"type":"subscribe","id":"a","tag":"x","group":"y"}"#,
            r#"{"type":"subscribe","id":"a","tasks":[]}"#,
            r#"{"type":"subscribe","id":"a","tag":"x","after":{"task_7":-1}}"#,
        ] {
            assert_eq!(wanted(bad), Err(Code::Invalid), "{bad}");
        }
        for bad in [r#"{"type":"subscribe","id":"a","tag":"x","colour":"red"}"#, r#"{"type":"sing"}"#, "[]", ""] {
            assert_eq!(wanted(bad), Err(Code::Malformed), "{bad}");
        }
    }
}
