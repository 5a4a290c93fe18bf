//! The client commands against a small real server on loopback.

mod act;
mod get;
mod kinds;
mod list;
mod queues;
mod server;
mod submit;
mod watch;

use clap::Parser;

use super::exit::Exit;
use super::screen::{Recording, Screen};
use super::{ClientCommand, run_on};

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: ClientCommand,
}

/// Runs a command line as it would be typed, with the server's address behind it.
async fn longshore(url: &str, arguments: &[&str]) -> (Exit, Recording) {
    let (screen, seen) = Screen::recorded();
    (on(screen, url, arguments).await, seen)
}

/// The same, for a person at a terminal.
async fn longshore_at_terminal(url: &str, arguments: &[&str]) -> (Exit, Recording) {
    let (screen, seen) = Screen::recorded();
    (on(screen.at_terminal(), url, arguments).await, seen)
}

async fn on(screen: Screen, url: &str, arguments: &[&str]) -> Exit {
    let words = [&["longshore"], arguments, &["--url", url]].concat();
    let line = Line::try_parse_from(words).unwrap();
    run_on(&line.command, &screen).await
}
