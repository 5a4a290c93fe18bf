//! Why a client command could not do what it was asked.

use std::io;

use serde_json::{Value, json};

use super::exit::Exit;
use super::problem::Problem;
use super::screen::{Paint, Screen};
use super::text::clean;

/// One reason, with its exit code and how it is told.
#[derive(Debug)]
pub(super) enum Failure {
    /// An argument, or what it names, cannot be used.
    Usage(String),
    /// A file of this machine cannot be read or written.
    Local(String),
    /// The server said no, and why.
    Refused(Box<Problem>),
    /// No answer came.
    Unreachable { url: String, reason: String },
    /// An answer came that cannot be right: no JSON, a damaged file.
    Broken(String),
    /// Whoever read our output has gone (`| head`): nothing is left to say.
    ReaderGone,
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Local(_) => Exit::Refused,
            Self::Refused(problem) => match problem.status {
                404 | 410 => Exit::NotFound,
                500.. => Exit::Unreachable,
                _ => Exit::Refused,
            },
            Self::Unreachable { .. } | Self::Broken(_) => Exit::Unreachable,
            Self::ReaderGone => Exit::Ok,
        }
    }

    /// For people, on standard error.
    pub(super) fn tell(&self, screen: &Screen) {
        let error = screen.paint_err(Paint::Red, "error:");
        match self {
            Self::Usage(what) | Self::Local(what) | Self::Broken(what) => {
                screen.note(&format!("{error} {}", clean(what)));
            }
            Self::Refused(problem) => problem.tell(screen),
            Self::Unreachable { url, reason } => {
                screen.note(&format!("{error} cannot reach {url}: {}", clean(reason)));
                screen
                    .note("  Is the server running? `longshore up` starts one; --url or LONGSHORE_URL names another.");
            }
            Self::ReaderGone => {}
        }
    }

    /// For scripts, as one line of JSON on standard error.
    pub(super) fn tell_json(&self, screen: &Screen) {
        if matches!(self, Self::ReaderGone) {
            return;
        }
        let mut error = match self {
            Self::Refused(problem) => problem.as_json(),
            _ => json!({ "code": self.code(), "detail": self.detail() }),
        };
        error["exit_code"] = self.exit().code().into();
        screen.note(&json!({ "error": error }).to_string());
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Local(_) => "local_file",
            Self::Refused(_) => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::Broken(_) => "broken_answer",
            Self::ReaderGone => "reader_gone",
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::Usage(what) | Self::Local(what) | Self::Broken(what) => what.as_str().into(),
            Self::Refused(problem) => problem.summary().into(),
            Self::Unreachable { url, reason } => format!("cannot reach {url}: {reason}").into(),
            Self::ReaderGone => Value::Null,
        }
    }
}

/// What happened to a write of our own output.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|err| match err.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Local(format!("cannot write the output: {err}")),
    })
}
