//! Who listens to what.

use jobs_store::webhook::{Listening, Subject};

use crate::pattern::matches;

/// Whether an endpoint wants to hear of an event, about a task if it is about one. One that asks for certain tasks hears of no other, and
/// of nothing that is about no task.
pub(crate) fn hears(listening: &Listening, event_type: &str, subject: Option<&Subject>) -> bool {
    if !listening.events.iter().any(|pattern| matches(pattern, event_type)) {
        return false;
    }
    let Listening { kinds, tags, groups, .. } = listening;
    let Some(subject) = subject else { return kinds.is_empty() && tags.is_empty() && groups.is_empty() };
    (kinds.is_empty() || kinds.contains(&subject.kind))
        && (groups.is_empty() || groups.contains(&subject.group))
        && (tags.is_empty() || tags.iter().any(|tag| subject.tags.contains(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_hears_what_it_asked_for_and_nothing_else() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let subject = Subject { kind: "echo".into(), group: "harbour".into(), tags: words(&["quay", "crane"]) };
        let listening = |events: &[&str], kinds: &[&str], tags: &[&str], groups: &[&str]| Listening {
            events: words(events),
            kinds: words(kinds),
            tags: words(tags),
            groups: words(groups),
        };
        for (listening, of_task, of_other) in [
            (listening(&["*"], &[], &[], &[]), true, true),
            (listening(&["webhook.*", "task.failed"], &[], &[], &[]), false, false),
            (listening(&["task.*"], &["echo"], &["crane", "none"], &["harbour"]), true, false),
            (listening(&["task.*"], &["video.generate"], &[], &[]), false, false),
            (listening(&["task.*"], &[], &["none"], &[]), false, false),
            (listening(&["*"], &[], &[], &["harbour"]), true, false),
        ] {
            assert_eq!(hears(&listening, "task.succeeded", Some(&subject)), of_task, "{listening:?}");
            assert_eq!(hears(&listening, "schedule.fired", None), of_other, "{listening:?}");
        }
    }
}
