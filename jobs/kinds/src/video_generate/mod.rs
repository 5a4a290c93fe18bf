//! `video.generate`: a briefing or a timeline in; a film, its thumbnail and its captions out.

mod assets;
mod briefing;
mod cue;
mod expand;
mod input;
mod look;
mod output;
mod pace;
mod prose;
mod timeline;

use std::{collections::BTreeMap, path::Path, sync::Mutex, time::Duration};

use jobs_core::{
    Engines, Fault, JobContext, JobError, JobKind, LogLevel, Progress,
    error::DISK_FULL_WAIT,
    port::video::{
        CAPTIONS_FILE, Film, RenderError, RenderFault, RenderProgress, RenderRequest, RenderSink, Source, SourceFacts,
        THUMBNAIL_FILE, VideoEngine, WEB_CAPTIONS_FILE,
    },
    schema::Schema,
};
use serde_json::Value;

pub use briefing::{Briefing, OutputOptions, Quality, Style, Tone};
pub use expand::{Plan, expand};
pub use input::Input;
pub use output::Output;
pub use timeline::TimelineRequest;

/// Makes a film from a briefing or a timeline.
pub struct VideoGenerate;

/// A render may take so many times the length of its film, and a minute.
const TIMES_ITS_LENGTH: f64 = 40.0;

/// How long a film is taken to be whose length is not known before its files are there.
const LONGEST_SECONDS: f64 = 600.0;

/// The progress of a task that is left for the uploads.
const UPLOADED_FROM_PERCENT: f32 = 97.0;

impl JobKind for VideoGenerate {
    const NAME: &'static str = "video.generate";
    const SUMMARY: &'static str = "Makes a film from a title and a description, or from a timeline of clips";
    const QUEUE: &'static str = "video";
    const TIMEOUT: Duration = Duration::from_secs(60 + 40 * 30);
    const MAX_ATTEMPTS: u32 = 3;

    type Input = Input;
    type Output = Output;

    fn example() -> Input {
        Input::Briefing(Briefing::example())
    }

    fn tidy(input: &mut Value) {
        input::tidy(input);
    }

    fn check(input: &Input) -> Vec<Fault> {
        input.faults()
    }

    fn timeout(input: &Input) -> Duration {
        let seconds = input.seconds().unwrap_or(LONGEST_SECONDS);
        Duration::from_secs(60) + Duration::from_secs_f64(seconds * TIMES_ITS_LENGTH)
    }

    fn runs_on(engines: &Engines) -> bool {
        engines.video.is_some()
    }

    async fn run(input: Input, cx: &JobContext) -> Result<Output, JobError> {
        let Some(engine) = cx.engines.video.clone() else {
            return Err(JobError::retry("engine_unavailable", "this worker has no video engine"));
        };
        let dir = cx.scratch().await?;
        let Plan { film, warnings } = plan(&input, &*engine, cx, &dir).await?;
        let (scenes, seconds) = (film.scenes.len(), film.seconds());
        cx.log(LogLevel::Info, format!("planned {scenes} scenes, {seconds:.1} seconds, {} frames", film.frames()));
        let format = film.output.format;
        let request = RenderRequest { film, dir: dir.clone() };
        let sink = Telling { cx, highest: Mutex::new(0.0) };
        let rendered = engine.render(request, &sink, cx.cancel.clone()).await.map_err(job_error)?;
        for warning in warnings.iter().chain(&rendered.warnings) {
            cx.log(LogLevel::Warn, warning.clone());
        }
        cx.progress(Progress {
            percent: Some(UPLOADED_FROM_PERCENT),
            phase: Some("upload".to_owned()),
            message: Some("storing the film".to_owned()),
            ..Progress::default()
        });
        cx.artifact(format.file(), format.media_type(), dir.join(format.file())).await?;
        cx.artifact(THUMBNAIL_FILE, "image/jpeg", dir.join(THUMBNAIL_FILE)).await?;
        cx.artifact(CAPTIONS_FILE, "application/x-subrip", dir.join(CAPTIONS_FILE)).await?;
        cx.artifact(WEB_CAPTIONS_FILE, "text/vtt", dir.join(WEB_CAPTIONS_FILE)).await?;
        Ok(Output::new(input.language(), format, scenes, rendered, warnings))
    }
}

/// The film that is asked for, with its files at hand.
async fn plan(input: &Input, engine: &dyn VideoEngine, cx: &JobContext, dir: &Path) -> Result<Plan, JobError> {
    match input {
        Input::Briefing(briefing) => Ok(expand(briefing)),
        Input::Timeline(request) => {
            let found = assets::gather(request, engine, cx, dir).await?;
            let film = timeline::compile(request, &found).map_err(|faults| {
                let told: Vec<String> =
                    faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
                JobError::fail("timeline_invalid", told.join("; "))
            })?;
            Ok(Plan { film, warnings: Vec::new() })
        }
    }
}

/// Reads an input as a task's is read, with everything that is wrong with its form; what else is wrong with it is for
/// [`Input::faults`] to say.
///
/// # Errors
/// All faults, by pointer.
pub fn parse(mut value: Value) -> Result<Input, Vec<Fault>> {
    input::tidy(&mut value);
    let faults = Schema::of::<Input>().check(&value);
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_value(value).map_err(|error| vec![Fault::new("", error.to_string())])
}

/// The film of an input whose files are local: `found` says where each URL lies and what is in it. For tools that render
/// without a server.
///
/// # Errors
/// What is wrong with it, by pointer, now that the lengths of its sources are known.
pub fn film(input: &Input, found: &BTreeMap<String, (Source, SourceFacts)>) -> Result<Film, Vec<Fault>> {
    match input {
        Input::Briefing(briefing) => Ok(expand(briefing).film),
        Input::Timeline(request) => timeline::compile(request, found),
    }
}

/// What the files of an input are, each once: the pointer to it, and its URL.
#[must_use]
pub fn sources(input: &Input) -> Vec<(String, String)> {
    match input {
        Input::Briefing(_) => Vec::new(),
        Input::Timeline(request) => {
            request.sources().into_iter().map(|(pointer, src)| (pointer, src.as_str().to_owned())).collect()
        }
    }
}

/// Passes on what an engine tells.
struct Telling<'a> {
    cx: &'a JobContext,
    highest: Mutex<f32>,
}

impl RenderSink for Telling<'_> {
    fn progress(&self, progress: RenderProgress) {
        // A progress bar that goes back is a bug report, whatever an engine says.
        let percent = {
            let mut highest = self.highest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *highest = highest.max(progress.percent * UPLOADED_FROM_PERCENT / 100.0);
            *highest
        };
        let left = progress.remaining_ms.map(|ms| format!(", about {} s left", ms.div_ceil(1000)));
        self.cx.progress(Progress {
            percent: Some(percent),
            phase: Some(progress.phase.name().to_owned()),
            message: Some(progress.message + &left.unwrap_or_default()),
            current: Some(progress.frame.into()),
            total: Some(progress.total_frames.into()),
            unit: Some("frames".to_owned()),
        });
    }

    fn log(&self, level: &str, message: &str) {
        let level = match level {
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "info" => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        self.cx.log(level, message);
    }
}

fn job_error(error: RenderError) -> JobError {
    let fault = error.code;
    let told = if error.retryable { JobError::retry(fault.name(), error) } else { JobError::fail(fault.name(), error) };
    match fault {
        RenderFault::RenderCrashed | RenderFault::Killed => told.crashed(),
        RenderFault::DiskFull => told.after(DISK_FULL_WAIT),
        _ => told,
    }
}
