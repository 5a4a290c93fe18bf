//! One of our programs as a process, with its log in a file.

use std::{
    fs::File,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait::eventually;

/// So many lines of a log are shown when a test fails.
const TAIL: usize = 40;

/// A process in a group of its own. It is killed when this is dropped; when this process is killed, it stops by itself.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins: one that was started before it may have used the same file.
    log_start: usize,
    // Its end is the sign that we are gone.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Runs `command` with its output in `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, mut command: Command, log: PathBuf) -> Self {
        let out = File::options().create(true).append(true).open(&log).expect("a log file");
        let errors = out.try_clone().expect("a log file");
        let log_start = out.metadata().map_or(0, |found| usize::try_from(found.len()).expect("a length"));
        command.stdin(Stdio::piped()).stdout(out).stderr(errors).process_group(0);
        command.env("LONGSHORE_SUPERVISED", "1");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, log, log_start, _stdin: stdin }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs (or is stopped by a signal, which is not the same as ended).
    ///
    /// # Panics
    /// When the system does not say.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child").is_none()
    }

    /// Kills it with all that it started, and waits until it is gone.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn kill9(&mut self) {
        if self.is_alive() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        self.child.wait().expect("the end of a child");
    }

    /// Asks it to stop in order.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it where it stands, as a laptop that is closed.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .unwrap_or_else(|error| panic!("signal {}: {error}", self.name));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `bound`.
    pub async fn ended(&mut self, bound: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let child = &mut self.child;
        eventually(&what, bound, async || child.try_wait().expect("the state of a child")).await
    }

    /// The exit code of its end, which must be by itself.
    ///
    /// # Panics
    /// When it still runs after `bound`, or a signal ended it.
    pub async fn exit_code(&mut self, bound: Duration) -> i32 {
        let status = self.ended(bound).await;
        status.code().unwrap_or_else(|| panic!("{} was ended by signal {:?}", self.name, status.signal()))
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(text.get(self.log_start..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The id of one that was waited for may be somebody else's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- the end of the log of {} ({} lines)\n{tail}", self.name, lines.len());
        }
    }
}
