//! Runs a command with throw-away servers: `with_servers COMMAND [ARGUMENT]...`.
//!
//! The command finds them in `DATABASE_URL` and `REDIS_URL`. They end, and their data goes, when it ends:
//! `cargo run -p jobs-runtime --example with_servers -- cargo sqlx prepare --workspace`.

use std::process::{Command, ExitCode};

use jobs_runtime::PrivateServers;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_servers COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let servers = match PrivateServers::throwaway() {
        Ok(servers) => servers,
        Err(err) => {
            eprintln!("with_servers: {err}");
            return ExitCode::FAILURE;
        }
    };
    let mut command = Command::new(&program);
    command.args(arguments);
    command.env("DATABASE_URL", servers.database_url()).env("REDIS_URL", servers.redis_url());
    match command.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(err) => {
            eprintln!("with_servers: {}: {err}", program.display());
            ExitCode::FAILURE
        }
    }
}
