//! One server process, and the guard that stops it when we cannot.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    ServerError,
    account::{Account, run_as},
    error::Trying as _,
};

/// How long a server may take until it takes connections; recovery after a crash is part of that.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often a state is looked at while waiting for it.
const LOOK: Duration = Duration::from_millis(10);

/// A log larger than this is set aside at the next start.
const LOG_LIMIT_BYTES: u64 = 16 << 20;

/// A way to end a process: signals in turn, each with the time that it is given.
pub(super) type Ending = &'static [(Signal, Duration)];

/// Ends the server when our end of its standard input closes, which the kernel does however we die. Standard tools can
/// tie a child to its parent on Linux only, and then to a thread of it.
const GUARD: &str = r#"trap '' INT TERM HUP; read -r _; kill -s "$1" "$2" 2>/dev/null"#;

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    guard: Child,
    log: PathBuf,
    /// Where the log of this run begins.
    log_start: u64,
}

impl Process {
    /// Runs `command` as `account`, in a process group of its own, with its output in `log`.
    pub(super) fn spawn(
        name: &'static str,
        mut command: Command,
        account: Option<&Account>,
        log: &Path,
        orphaned: &'static str,
    ) -> Result<Self, ServerError> {
        let (file, log_start) = open_log(log)?;
        let errors = file.try_clone().trying(|| format!("open {}", log.display()))?;
        run_as(&mut command, account);
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let mut child = command.spawn().trying(|| format!("start {name}"))?;

        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "longshore-guard", orphaned, &child.id().to_string()]);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        guard.current_dir("/").process_group(0);
        run_as(&mut guard, account);
        match guard.spawn() {
            Ok(guard) => Ok(Self { name, child, guard, log: log.to_owned(), log_start }),
            Err(err) => {
                // An unguarded server could outlive us.
                let _ = child.kill().and_then(|()| child.wait());
                Err(err).trying(|| format!("start the guard of {name}"))
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `ready` says so. Fails at once when the process ends.
    pub(super) fn wait_ready(&mut self, ready: impl Fn() -> bool) -> Result<(), ServerError> {
        let started = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait().trying(|| format!("wait for {}", self.name))? {
                let (server, log, tail) = (self.name, self.log.clone(), self.log_tail());
                return Err(ServerError::Ended { server, status: status.to_string(), log, tail });
            }
            if started.elapsed() > START_LIMIT {
                let (server, log, tail) = (self.name, self.log.clone(), self.log_tail());
                return Err(ServerError::NotReady { server, seconds: START_LIMIT.as_secs(), log, tail });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Ends the process and its guard.
    pub(super) fn stop(mut self, ending: Ending) {
        for (signal, given) in ending {
            // An id that was not waited for cannot have become somebody else's.
            if self.has_ended() {
                break;
            }
            let _ = kill_process(Pid::from_child(&self.child), *signal);
            let asked = Instant::now();
            while !self.has_ended() && asked.elapsed() < *given {
                std::thread::sleep(LOOK);
            }
        }
        // Dropping kills what is still there.
    }

    /// The end of what it logged since it was started.
    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(0).min(text.len());
        let text = String::from_utf8_lossy(&text[start..]);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: its signal must not hit whoever gets the id next.
        for child in [&mut self.guard, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn open_log(path: &Path) -> Result<(File, u64), ServerError> {
    if fs::metadata(path).is_ok_and(|found| found.len() > LOG_LIMIT_BYTES) {
        fs::rename(path, path.with_extension("log.1")).trying(|| format!("set {} aside", path.display()))?;
    }
    let file = File::options().append(true).create(true).open(path).trying(|| format!("open {}", path.display()))?;
    let length = file.metadata().trying(|| format!("look at {}", path.display()))?.len();
    Ok((file, length))
}

/// Ends the server that an earlier run left in `data` and named in `pid_file`. A file that names nobody, or a process
/// that is not this server, is removed: ids are used again, most of all in containers.
pub(super) fn stop_leftover(
    name: &'static str,
    data: &Path,
    pid_file: &Path,
    ending: Ending,
) -> Result<(), ServerError> {
    let Ok(text) = fs::read_to_string(pid_file) else {
        return Ok(());
    };
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && works_in(pid, data)
    {
        tracing::info!(pid = pid.as_raw_nonzero(), "stopping the {name} that an earlier run left behind");
        for (signal, given) in ending {
            let _ = kill_process(pid, *signal);
            let asked = Instant::now();
            while works_in(pid, data) && asked.elapsed() < *given {
                std::thread::sleep(LOOK);
            }
        }
    }
    match fs::remove_file(pid_file) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            Err(err).trying(|| format!("remove {}", pid_file.display()))
        }
        _ => Ok(()),
    }
}

/// Whether the process is one of ours: both servers make their data folder their working directory, and nobody else has
/// a reason to.
fn works_in(pid: Pid, data: &Path) -> bool {
    let Ok(data) = data.canonicalize() else {
        return false;
    };
    if cfg!(target_os = "linux") {
        // A zombie has no working directory.
        return fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == data);
    }
    let id = pid.as_raw_nonzero().to_string();
    let listed = Command::new("lsof").args(["-a", "-d", "cwd", "-Fn", "-p", &id]).output();
    listed.is_ok_and(|listed| {
        let text = String::from_utf8_lossy(&listed.stdout);
        text.lines().any(|line| line.strip_prefix('n').is_some_and(|cwd| Path::new(cwd) == data))
    })
}
