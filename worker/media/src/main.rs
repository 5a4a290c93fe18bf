//! The render process: one job as a line of JSON in, lines of JSON out; one film, or one sheet, or one look at files.
//!
//! Standard input must stay open: when it ends, the parent is gone, and so is the render.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use engine_media::contain;
use jobs_core::port::video::{RenderError, RenderFault, RenderJob, RenderLine, RenderProgress, RenderSink};

/// More fonts, for letters that the bundled ones lack.
const FONTS_DIR: &str = "LONGSHORE_FONTS_DIR";

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        println!("longshore-media {}", env!("CARGO_PKG_VERSION"));
        println!("Renders one video. It is started by a Longshore worker, which talks JSON lines with it.");
        return ExitCode::SUCCESS;
    }
    let line = match run() {
        Ok(line) => line,
        Err(error) => RenderLine::Error(error),
    };
    let failed = matches!(line, RenderLine::Error(_));
    say(&line);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[expect(clippy::disallowed_methods, reason = "this program has one setting, which its parent passes on")]
fn run() -> Result<RenderLine, RenderError> {
    let unavailable = |message: String| RenderError::new(RenderFault::EngineUnavailable, message);
    let stop = contain::contain().map_err(|error| unavailable(format!("cannot handle signals: {error}")))?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| unavailable(format!("cannot read a request: {error}")))?;
    let job: RenderJob = serde_json::from_str(&line)
        .map_err(|error| RenderError::new(RenderFault::TimelineInvalid, format!("not a request: {error}")))?;
    contain::die_with_parent(Arc::clone(&stop));
    let fonts_dir = std::env::var_os(FONTS_DIR).map(PathBuf::from);
    let fonts_dir = fonts_dir.as_deref();
    match job {
        RenderJob::Render(request) => engine_media::render(&request, fonts_dir, &Stdout, &stop).map(RenderLine::Done),
        RenderJob::Sheet(request) => {
            engine_media::sheet(&request, fonts_dir, &Stdout, &stop).map(|()| RenderLine::Drawn)
        }
        RenderJob::Inspect(request) => engine_media::inspect(&request).map(RenderLine::Facts),
    }
}

/// Writes lines to standard output.
struct Stdout;

impl RenderSink for Stdout {
    fn progress(&self, progress: RenderProgress) {
        say(&RenderLine::Progress(progress));
    }

    fn log(&self, level: &str, message: &str) {
        say(&RenderLine::Log { level: level.to_owned(), message: message.to_owned() });
    }
}

fn say(line: &RenderLine) {
    let Ok(mut json) = serde_json::to_vec(line) else { return };
    json.push(b'\n');
    // Nobody listens any more: then the end of standard input ends this process too.
    let _ = io::stdout().lock().write_all(&json);
}
