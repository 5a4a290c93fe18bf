//! Where the next page of a list begins. Opaque to clients: today it is the last task of the page before.

use jobs_core::TaskId;
use uuid::Uuid;

const MARK: &str = "c1";

/// The cursor behind a task.
pub(crate) fn write(last: TaskId) -> String {
    format!("{MARK}{}", last.0.simple())
}

/// The task that a cursor stands behind.
pub(crate) fn read(text: &str) -> Option<TaskId> {
    let digits = text.strip_prefix(MARK)?;
    let is_plain = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_plain.then(|| Uuid::try_parse(digits).ok().map(TaskId)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let id = TaskId::new();
        assert_eq!(read(&write(id)), Some(id));
        for bad in ["", "c1", "c1zz", &write(id).to_uppercase(), &id.to_string()] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
