//! The verdict of an attempt that did not succeed: try again, or give up; always with a code that clients may rely on.

use std::{error::Error, fmt, time::Duration};

use serde_json::Value;

use crate::task::ErrorType;

/// An attempt that found no room on a disk is not tried again before this: room is made by people, or by tasks that end.
pub const DISK_FULL_WAIT: Duration = Duration::from_secs(5);

/// Why an attempt did not succeed, and what should happen next.
#[derive(Debug)]
pub struct JobError {
    /// Which sort of end it is: an error, unless a process of the attempt died.
    pub error_type: ErrorType,
    /// Another attempt may succeed.
    pub retryable: bool,
    /// A stable word for programs, in snake case.
    pub code: &'static str,
    /// A sentence for people: lower case, no full stop.
    pub message: String,
    /// Facts for programs, if there are any.
    pub details: Option<Box<Value>>,
    /// The next attempt comes no sooner than this, whatever the retry policy says.
    pub after: Option<Duration>,
}

impl JobError {
    /// Another attempt may succeed: the network was down, the other side was busy.
    pub fn retry(code: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error_type: ErrorType::Error,
            retryable: true,
            code,
            message: chain(&*cause.into()),
            details: None,
            after: None,
        }
    }

    /// No attempt will succeed: the input is wrong, what it names does not exist.
    pub fn fail(code: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error_type: ErrorType::Error,
            retryable: false,
            code,
            message: chain(&*cause.into()),
            details: None,
            after: None,
        }
    }

    /// Says that a process of the attempt died, which is nobody's verdict.
    #[must_use]
    pub fn crashed(mut self) -> Self {
        self.error_type = ErrorType::Crash;
        self
    }

    /// Adds facts for programs.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// Asks for a wait of at least `after` before the next attempt, as a `Retry-After` header does.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }
}

/// The message with all its causes: it is read far from the code that made it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Error for JobError {}
