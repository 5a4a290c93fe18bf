//! A program that runs contained: in a process group of its own, ended as a whole.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use crate::limits::Limits;

/// How long a program may take to end after SIGTERM, before SIGKILL. Also one that gets no processor is gone within two seconds.
pub const GRACE: Duration = Duration::from_millis(1_500);

/// So much of the end of standard error is kept.
const STDERR_TAIL_BYTES: usize = 4096;

/// What to start.
pub struct Contained<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Its whole environment: it inherits nothing.
    pub env: &'a [(&'a str, OsString)],
    /// Its working directory.
    pub dir: &'a Path,
    /// What it may use.
    pub limits: Limits,
}

/// A running program and whatever it started. Dropping it ends them all.
pub struct ContainedChild {
    child: Child,
    group: Group,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The end of what it wrote to standard error.
    pub stderr_tail: String,
}

/// What ended a program from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Containment {
    /// Somebody killed it; mostly the kernel, for want of memory.
    Killed,
    /// Its limit of memory.
    Memory,
    /// Its limit of disk.
    Disk,
}

impl Ended {
    /// Why it ended, if it was for what it used or was not to use: not by a fault of its own.
    #[must_use]
    pub fn containment(&self) -> Option<Containment> {
        match self.status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::KILL) => return Some(Containment::Killed),
            Some(Signal::XFSZ) => return Some(Containment::Disk),
            _ => {}
        }
        (self.is_starved() && !self.status.success()).then_some(Containment::Memory)
    }

    /// Whether it said that it got no memory: the last words of Rust, of the loader and of libraries, and those of x264.
    fn is_starved(&self) -> bool {
        let words = ["memory allocation of", "Cannot allocate memory", "malloc of size"];
        words.iter().any(|words| self.stderr_tail.contains(words))
    }

    /// How it ended, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        let how = match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => format!("it was killed by {}", signal_name(signal)),
            (None, Some(code)) => format!("it ended with code {code}"),
            (None, None) => "it ended".to_owned(),
        };
        let tail = self.stderr_tail.trim();
        if tail.is_empty() { how } else { format!("{how}: {tail}") }
    }
}

impl ContainedChild {
    /// Starts the program with pipes for its standard streams and no other descriptor.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(what: &Contained<'_>) -> io::Result<Self> {
        let mut command = Command::new(what.program);
        command.args(what.args).env_clear().envs(what.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(what.dir).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            what.limits.bind(pid);
        }
        let group = Group(pid);
        let missing = || io::Error::other("a standard stream is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            group,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout).lines(),
            stderr: Some(tokio::spawn(tail(stderr))),
        })
    }

    /// Its process, which is also the number of its group.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Writes to its standard input, which stays open.
    ///
    /// # Errors
    /// When it does not read any more.
    pub async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        stdin.write_all(data).await?;
        stdin.flush().await
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line that it writes; `None` when it will write no more. May be dropped and called again.
    ///
    /// # Errors
    /// When what it writes is not UTF-8.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        self.stdout.next_line().await
    }

    /// Waits for its end, which must be near.
    ///
    /// # Errors
    /// When the system has lost track of it.
    pub async fn ended(&mut self) -> io::Result<Ended> {
        let status = self.child.wait().await?;
        // Whatever it left behind goes with it; and holds standard error open no longer.
        self.group.signal(Signal::KILL);
        self.group = Group(None);
        let stderr = match self.stderr.take() {
            // What left the group may still hold it open.
            Some(reading) => match tokio::time::timeout(Duration::from_secs(1), reading).await {
                Ok(tail) => tail.unwrap_or_default(),
                Err(_) => Vec::new(),
            },
            None => Vec::new(),
        };
        Ok(Ended { status, stderr_tail: String::from_utf8_lossy(&stderr).into_owned() })
    }

    /// Asks the whole group to end, and makes it after [`GRACE`].
    ///
    /// # Errors
    /// When the system has lost track of it.
    pub async fn stop(&mut self) -> io::Result<Ended> {
        self.group.signal(Signal::TERM);
        let Self { child, stdout, .. } = self;
        // Nobody reads its lines any more, and it must not wait for room in the pipe.
        let drained = async {
            while matches!(stdout.next_line().await, Ok(Some(_))) {}
            std::future::pending::<()>().await;
        };
        let asked = tokio::time::timeout(GRACE, async {
            tokio::select! { _ = child.wait() => {}, () = drained => {} }
        });
        if asked.await.is_err() {
            self.group.signal(Signal::KILL);
        }
        self.ended().await
    }
}

impl Drop for ContainedChild {
    fn drop(&mut self) {
        // No time to ask: whoever drops a running program has given up on it.
        self.group.signal(Signal::KILL);
        if let Some(reading) = self.stderr.take() {
            reading.abort();
        }
    }
}

/// A process group, until its leader has been waited for: after that its number may be another's.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already, which is as good.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// The last bytes of a stream.
async fn tail(mut stream: ChildStderr) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0u8; 1024];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * STDERR_TAIL_BYTES {
            kept.drain(..kept.len() - STDERR_TAIL_BYTES);
        }
    }
    kept.drain(..kept.len().saturating_sub(STDERR_TAIL_BYTES));
    kept
}

fn signal_name(number: i32) -> String {
    let name = match Signal::from_named_raw(number) {
        Some(Signal::SEGV) => "SIGSEGV",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::FPE) => "SIGFPE",
        Some(Signal::KILL) => "SIGKILL",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::XCPU) => "SIGXCPU",
        Some(Signal::XFSZ) => "SIGXFSZ",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

/// The variables of this process that a child may see, by name.
#[must_use]
pub fn passed_on<'a>(names: &[&'a str], lookup: impl Fn(&OsStr) -> Option<OsString>) -> Vec<(&'a str, OsString)> {
    names.iter().filter_map(|name| Some((*name, lookup(OsStr::new(name))?))).collect()
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Instant};

    use super::*;

    fn shell(script: &str) -> ContainedChild {
        let args = ["-c".into(), script.into()];
        let program = PathBuf::from("/bin/sh");
        let env = [("PATH", OsString::from("/usr/bin:/bin"))];
        let limits = Limits { memory_bytes: 256 << 20, disk_bytes: 64 << 10 };
        let what = Contained { program: &program, args: &args, env: &env, dir: Path::new("/"), limits };
        ContainedChild::start(&what).expect("a shell")
    }

    fn is_alive(pid: i32) -> bool {
        // A zombie is dead: nobody has waited for it yet.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    }

    async fn gone(pid: i32) {
        let since = Instant::now();
        while is_alive(pid) {
            assert!(since.elapsed() < Duration::from_secs(5), "process {pid} lives on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn lines_and_status_and_the_end_of_standard_error_come_back() {
        let mut child = shell("read word; echo got $word; echo broken >&2; exit 3");
        child.write(b"it\n").await.expect("written");
        assert_eq!(child.line().await.expect("a line").as_deref(), Some("got it"));
        assert_eq!(child.line().await.expect("the end"), None);
        assert_eq!(child.ended().await.expect("an end").describe(), "it ended with code 3: broken");
    }

    #[tokio::test]
    async fn a_killed_program_is_named_by_its_signal() {
        let mut child = shell("kill -SEGV $$");
        assert_eq!(child.line().await.expect("the end"), None);
        assert!(child.ended().await.expect("an end").describe().starts_with("it was killed by SIGSEGV"));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_writes_more_than_it_may_is_ended_and_one_that_is_killed_is_known_as_such() {
        let dir = tempfile::tempdir().expect("a directory");
        // It reads first, as every program does that is told what to do.
        let script = format!("read word; exec head -c 100000 /dev/zero > {}/file", dir.path().display());
        let mut child = shell(&script);
        child.write(b"go\n").await.expect("written");
        assert_eq!(child.ended().await.expect("an end").containment(), Some(Containment::Disk));
        assert_eq!(std::fs::metadata(dir.path().join("file")).expect("a file").len(), 64 << 10);

        let mut child = shell("kill -KILL $$");
        assert_eq!(child.ended().await.expect("an end").containment(), Some(Containment::Killed));
        let mut child = shell("kill -SEGV $$");
        assert_eq!(child.ended().await.expect("an end").containment(), None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_gets_no_more_memory_than_it_may_have() {
        let mut child = shell("read word; head -c 300000000 /dev/zero | tail -c 290000000 | wc -c");
        child.write(b"go\n").await.expect("written");
        let counted = child.line().await.expect("a line").expect("a number");
        assert_ne!(counted.trim(), "290000000", "tail had to hold all of it");
        child.ended().await.expect("an end");
    }

    #[tokio::test]
    async fn stopping_ends_the_whole_group_even_when_it_does_not_want_to() {
        let mut child = shell("trap '' TERM; sleep 300 & echo $!; while :; do sleep 300; done");
        let grandchild: i32 = child.line().await.expect("a line").expect("a number").parse().expect("a number");
        let since = Instant::now();
        child.stop().await.expect("an end");
        assert!(since.elapsed() < GRACE + Duration::from_secs(1));
        gone(grandchild).await;
    }

    #[tokio::test]
    async fn a_program_that_ends_when_asked_is_not_killed() {
        let mut child = shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done");
        child.line().await.expect("a line");
        assert_eq!(child.stop().await.expect("an end").status.code(), Some(5));
    }

    #[tokio::test]
    async fn dropping_ends_the_whole_group() {
        let mut child = shell("sleep 300 & echo $!; wait");
        let grandchild: i32 = child.line().await.expect("a line").expect("a number").parse().expect("a number");
        drop(child);
        gone(grandchild).await;
    }

    #[tokio::test]
    async fn the_environment_is_not_inherited() {
        let mut child = shell("env | cut -d= -f1 | grep -vE '^(PATH|PWD|_|SHLVL|OLDPWD)$'; echo end");
        assert_eq!(child.line().await.expect("a line").as_deref(), Some("end"));
    }
}
