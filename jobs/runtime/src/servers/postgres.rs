//! The private Postgres.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    ServerError,
    account::{Account, run_as},
    error::Trying as _,
    place::{Place, make_private},
    process::{Ending, Process, stop_leftover},
    programs::PostgresPrograms,
};
use crate::config::escape_path;

/// The database, and the user that owns it.
pub(super) const DATABASE: &str = "longshore";
const USER: &str = "longshore";
/// No port is opened: it is part of the name of the socket.
const PORT: u16 = 5432;
const NAME: &str = "postgres";

/// Fast shutdown, then immediate, then force.
const IN_ORDER: Ending = &[
    (Signal::INT, Duration::from_secs(20)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];
const AS_A_CRASH: Ending = &[(Signal::QUIT, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];

/// How long the last processes of a server that was killed may hold on to its memory.
const MEMORY_LIMIT: Duration = Duration::from_secs(10);

/// A Postgres on its own data.
#[derive(Debug)]
pub(super) struct Postgres {
    programs: PostgresPrograms,
    durable: bool,
    process: Option<Process>,
}

impl Postgres {
    pub(super) fn start(place: &Place, durable: bool) -> Result<Self, ServerError> {
        let data = place.data(NAME);
        let account = place.postgres_account.as_ref();
        make_private(&data, account)?;
        let version = fs::read_to_string(data.join("PG_VERSION"));
        if let Err(err) = &version
            && err.kind() == std::io::ErrorKind::PermissionDenied
        {
            return Err(ServerError::NotOurs { dir: data });
        }
        let wanted = version.ok().and_then(|text| text.trim().parse().ok());
        let programs = PostgresPrograms::find(wanted, &data)?;
        stop_leftover(NAME, &data, &data.join("postmaster.pid"), IN_ORDER)?;
        if wanted.is_none() {
            init(&programs, &data, account, durable)?;
        }
        let mut postgres = Self { programs, durable, process: None };
        postgres.run(place)?;
        postgres.ensure_database(place)?;
        Ok(postgres)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Runs the server on data that exists. Does nothing while it runs.
    pub(super) fn run(&mut self, place: &Place) -> Result<(), ServerError> {
        if self.process.as_mut().is_some_and(|process| !process.has_ended()) {
            return Ok(());
        }
        self.process = None;
        let began = Instant::now();
        loop {
            match self.try_run(place) {
                // The last processes of a killed server are still on their way out.
                Err(ServerError::Ended { tail, .. })
                    if tail.contains("shared memory block") && began.elapsed() < MEMORY_LIMIT =>
                {
                    std::thread::sleep(Duration::from_millis(100));
                }
                tried => return tried,
            }
        }
    }

    fn try_run(&mut self, place: &Place) -> Result<(), ServerError> {
        let (data, run) = (place.data(NAME), place.run(NAME));
        let account = place.postgres_account.as_ref();
        make_private(&run, account)?;
        stop_leftover(NAME, &data, &data.join("postmaster.pid"), IN_ORDER)?;
        // We hold the lock of the folder and nobody is left: what lies here is from a crash.
        for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
            let _ = fs::remove_file(run.join(name));
        }
        let mut command = program(&self.programs, "postgres", &data);
        command.arg("-D").arg(&data).arg("-k").arg(&run).args(["-p", &PORT.to_string()]);
        for setting in settings(self.durable) {
            command.args(["-c", setting]);
        }
        let mut process = Process::spawn(NAME, command, account, &place.log(NAME), "INT")?;
        let socket = run.join(format!(".s.PGSQL.{PORT}"));
        process.wait_ready(|| answers(&socket).unwrap_or(false))?;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn stop(&mut self, as_a_crash: bool) {
        if let Some(process) = self.process.take() {
            process.stop(if as_a_crash { AS_A_CRASH } else { IN_ORDER });
        }
    }

    /// Whether it ended without being asked to.
    pub(super) fn has_crashed(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::has_ended)
    }

    pub(super) fn create_database(&self, place: &Place, name: &str, template: Option<&str>) -> Result<(), ServerError> {
        let output = self.createdb(place, name, template)?;
        if output.status.success() { Ok(()) } else { Err(failed("createdb", &output)) }
    }

    fn ensure_database(&self, place: &Place) -> Result<(), ServerError> {
        let output = self.createdb(place, DATABASE, None)?;
        let exists = String::from_utf8_lossy(&output.stderr).contains("already exists");
        if output.status.success() || exists { Ok(()) } else { Err(failed("createdb", &output)) }
    }

    fn createdb(&self, place: &Place, name: &str, template: Option<&str>) -> Result<Output, ServerError> {
        let run = place.run(NAME);
        let mut command = program(&self.programs, "createdb", &run);
        command.arg("-h").arg(&run).args(["-p", &PORT.to_string(), "-U", USER, "--maintenance-db", "postgres"]);
        if let Some(template) = template {
            command.args(["--template", template]);
        }
        command.arg("--").arg(name);
        run_as(&mut command, place.postgres_account.as_ref());
        command.output().trying(|| "run createdb".into())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Data that need not be durable needs no last checkpoint; the next start recovers from the log.
        self.stop(!self.durable);
    }
}

/// The address of a database.
pub(super) fn url(place: &Place, database: &str) -> String {
    let run = escape_path(&place.run(NAME));
    format!("postgres:///{database}?host={run}&port={PORT}&user={USER}&sslmode=disable")
}

/// What is different from the defaults of `initdb`.
fn settings(durable: bool) -> Vec<&'static str> {
    let mut settings = vec![
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "max_connections=200",
        "cluster_name=longshore",
        "log_line_prefix=%m [%p] ",
        "timezone=UTC",
        "log_timezone=UTC",
    ];
    if !durable {
        // A commit still reaches the kernel before it is answered, so a crash of the server alone
        // loses nothing: tests of exactly that must hold.
        settings.extend(["fsync=off", "full_page_writes=off", "shared_buffers=32MB"]);
        settings.push("autovacuum_naptime=5min");
    }
    settings
}

/// Writes empty data. Whoever reaches the socket is trusted: its folder lets in the account and root only.
fn init(programs: &PostgresPrograms, data: &Path, account: Option<&Account>, durable: bool) -> Result<(), ServerError> {
    let mut command = program(programs, "initdb", data);
    command.arg("-D").arg(data).args(["-U", USER, "--encoding=UTF8", "--locale=C"]);
    command.args(["--auth-local=trust", "--auth-host=reject"]);
    if !durable {
        command.args(["--no-sync", "--wal-segsize=1"]);
    }
    run_as(&mut command, account);
    tracing::info!(version = programs.major, data = %data.display(), "making a new Postgres database");
    let output = command.output().trying(|| "run initdb".into())?;
    if output.status.success() { Ok(()) } else { Err(failed("initdb", &output)) }
}

/// A program of Postgres, with an environment in which nothing of the user's changes what it does or says.
fn program(programs: &PostgresPrograms, name: &str, dir: &Path) -> Command {
    let mut command = Command::new(programs.bin.join(name));
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").env("HOME", dir).current_dir(dir);
    command
}

fn failed(program: &'static str, output: &Output) -> ServerError {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    ServerError::Failed { program, output: String::from_utf8_lossy(&text).trim().to_owned() }
}

/// Whether the server lets somebody in. A connection alone says nothing: it also takes those while it recovers.
fn answers(socket: &Path) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    // StartupMessage of protocol 3.0; the answer begins with `R` (authentication) or `E` (error).
    let parameters = format!("user\0{USER}\0database\0postgres\0\0");
    let length = u32::try_from(8 + parameters.len()).unwrap_or(u32::MAX);
    let message = [&length.to_be_bytes(), &196_608_u32.to_be_bytes(), parameters.as_bytes()].concat();
    stream.write_all(&message)?;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    // Terminate, so that the log stays quiet about a lost connection.
    let _ = stream.write_all(&[b'X', 0, 0, 0, 4]);
    Ok(kind == *b"R")
}
