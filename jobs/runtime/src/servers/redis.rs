//! The private Redis.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use super::{
    ServerError,
    place::{Place, make_private},
    process::{Ending, Process, stop_leftover},
    programs::find_redis,
};
use crate::config::escape_path;

const NAME: &str = "redis";
const ENDING: Ending = &[(Signal::TERM, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(5))];

/// A Redis that keeps nothing on disk: everything in it can be made again from Postgres.
#[derive(Debug)]
pub(super) struct Redis {
    program: PathBuf,
    process: Option<Process>,
}

impl Redis {
    pub(super) fn start(place: &Place) -> Result<Self, ServerError> {
        let mut redis = Self { program: find_redis()?, process: None };
        redis.run(place)?;
        Ok(redis)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Runs the server. Does nothing while it runs.
    pub(super) fn run(&mut self, place: &Place) -> Result<(), ServerError> {
        if self.process.as_mut().is_some_and(|process| !process.has_ended()) {
            return Ok(());
        }
        self.process = None;
        let (data, run) = (place.data(NAME), place.run(NAME));
        let (socket, pid_file) = (socket(place), data.join("redis.pid"));
        let account = place.redis_account.as_ref();
        make_private(&data, account)?;
        make_private(&run, account)?;
        stop_leftover(NAME, &data, &pid_file, ENDING)?;
        let _ = std::fs::remove_file(&socket);

        let mut command = Command::new(&self.program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir(&data);
        command.args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"]).arg(&socket);
        command.arg("--dir").arg(&data).arg("--pidfile").arg(&pid_file);
        command.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no"]);
        let mut process = Process::spawn(NAME, command, account, &place.log(NAME), "TERM")?;
        process.wait_ready(|| answers(&socket).unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(ENDING);
        }
    }

    /// Whether it ended without being asked to.
    pub(super) fn has_crashed(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::has_ended)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The address of the server.
pub(super) fn url(place: &Place) -> String {
    format!("redis+unix://{}", escape_path(&socket(place)))
}

fn socket(place: &Place) -> PathBuf {
    place.run(NAME).join("redis.sock")
}

fn answers(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"+PONG")
}
