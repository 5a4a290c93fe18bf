//! Runs a command with throw-away servers for tests: `with_servers COMMAND [ARGUMENT]...`.
//!
//! The command finds them in `LONGSHORE_TEST_DATABASE_URL` and `LONGSHORE_TEST_REDIS_URL`. They end, and their data goes, when it ends; its exit
//! code is ours. Ctrl-C and SIGTERM reach the command, and we wait for it.

use std::{
    error::Error,
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus},
};

use jobs_runtime::PrivateServers;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_servers COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    match run(command) {
        // As a shell says it, for a command that a signal ended.
        Ok(status) => {
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("with_servers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut command: Command) -> Result<ExitStatus, Box<dyn Error>> {
    let servers = PrivateServers::throwaway()?;
    command.env("LONGSHORE_TEST_DATABASE_URL", servers.database_url());
    command.env("LONGSHORE_TEST_REDIS_URL", servers.redis_url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        // Before the command starts: from now on a signal does not end us, and the servers with us.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut child = command.spawn()?;
        loop {
            let passed_on = tokio::select! {
                ended = child.wait() => return Ok(ended?),
                // A terminal sends this to the command as well.
                _ = interrupt.recv() => None,
                _ = terminate.recv() => Some(Signal::TERM),
                _ = hang_up.recv() => Some(Signal::HUP),
            };
            if let Some(signal) = passed_on {
                pass_on(&child, signal);
            }
        }
    });
    drop(servers);
    status
}

fn pass_on(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile, which is all that is wanted.
        let _ = kill_process(pid, signal);
    }
}
