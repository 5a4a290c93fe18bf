//! The screen: standard output and standard error, and what they can show.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::failure::{Failure, written};

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Where a command writes: results to `out`, everything else to `err`.
#[derive(Clone)]
pub(super) struct Screen {
    out: Sink,
    err: Sink,
    out_is_terminal: bool,
    err_is_terminal: bool,
    colours: bool,
}

/// The looks that a piece of text can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Cyan,
}

impl Screen {
    /// The streams of this process.
    #[expect(clippy::disallowed_methods, reason = "what the terminal can show is no configuration of ours")]
    pub(super) fn of_process() -> Self {
        // https://no-color.org: present and not empty, whatever its value.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal() && !dumb,
            colours: !no_color && !dumb,
        }
    }

    /// Whether a person reads the results.
    pub(super) fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether bars can be drawn.
    pub(super) fn draws(&self) -> bool {
        self.err_is_terminal
    }

    pub(super) fn colours_err(&self) -> bool {
        self.colours && self.err_is_terminal
    }

    /// Writes one line of the result.
    pub(super) fn say(&self, line: &str) -> Result<(), Failure> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        written(writeln!(out, "{line}").and_then(|()| out.flush()))
    }

    /// Writes one line that is not part of the result.
    pub(super) fn note(&self, line: &str) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        // There is nobody left to tell when standard error is closed.
        let _ = writeln!(err, "{line}");
    }

    /// `text` as it goes to the result.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        apply(self.colours && self.out_is_terminal, paint, text)
    }

    /// `text` as it goes to standard error.
    pub(super) fn paint_err(&self, paint: Paint, text: &str) -> String {
        apply(self.colours_err(), paint, text)
    }
}

fn apply(colours: bool, paint: Paint, text: &str) -> String {
    let code = match paint {
        Paint::Plain => return text.to_owned(),
        _ if !colours => return text.to_owned(),
        Paint::Bold => 1,
        Paint::Dim => 2,
        Paint::Red => 31,
        Paint::Green => 32,
        Paint::Yellow => 33,
        Paint::Blue => 34,
        Paint::Cyan => 36,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
pub(super) struct Recording {
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

#[cfg(test)]
impl Recording {
    pub(super) fn out(&self) -> String {
        String::from_utf8(self.out.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn err(&self) -> String {
        String::from_utf8(self.err.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Screen {
    /// A screen that is no terminal and remembers what was written.
    pub(super) fn recorded() -> (Self, Recording) {
        let out = Arc::new(Mutex::new(Vec::new()));
        let err = Arc::new(Mutex::new(Vec::new()));
        let screen =
            Self { out: out.clone(), err: err.clone(), out_is_terminal: false, err_is_terminal: false, colours: true };
        (screen, Recording { out, err })
    }

    /// The same screen, read by a person; bars stay off.
    pub(super) fn at_terminal(mut self) -> Self {
        self.out_is_terminal = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_reach_a_terminal_and_nothing_else() {
        let (screen, _) = Screen::recorded();
        assert_eq!(screen.paint(Paint::Red, "no"), "no");
        let terminal = screen.at_terminal();
        assert_eq!(terminal.paint(Paint::Red, "no"), "\x1b[31mno\x1b[0m");
        let quiet = Screen { colours: false, ..terminal };
        assert_eq!(quiet.paint(Paint::Red, "no"), "no");
    }
}
