//! Patterns of types of events: `task.succeeded`, `task.*`, `*`.

/// Whether a text is a pattern: words of small letters, digits and underscores between dots, of which the last one may be `*`.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    let is_word = |word: &str| {
        word.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let words = text.strip_suffix(".*").unwrap_or(text);
    text.len() <= 100 && (text == "*" || words.split('.').all(is_word))
}

/// Whether a type of event fits a pattern. What follows `*` in a type does not matter, however many words it has.
pub(crate) fn matches(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => event_type.starts_with(beginning),
        None => pattern == event_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_type_or_ends_with_a_star() {
        for good in ["*", "task.*", "task.succeeded", "price.drop.*", "schedule_2.fired"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in ["", ".", "task.", "*.task", "task.*.x", "Task.*", "task*", "**", "task .x", &"a".repeat(101)] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn a_star_stands_for_whatever_follows() {
        for (pattern, event_type, fits) in [
            ("*", "webhook.test", true),
            ("task.*", "task.succeeded", true),
            ("task.*", "tasks.succeeded", false),
            ("task.*", "task", false),
            ("task.failed", "task.failed", true),
            ("task.failed", "task.failed_twice", false),
        ] {
            assert_eq!(matches(pattern, event_type), fits, "{pattern} {event_type}");
        }
    }
}
