//! `video.generate`: a briefing in; a film, its thumbnail and its captions out.

mod briefing;
mod cue;
mod expand;
mod look;
mod output;
mod pace;
mod prose;

use std::{sync::Mutex, time::Duration};

use jobs_core::{
    Engines, Fault, JobContext, JobError, JobKind, LogLevel, Progress,
    error::DISK_FULL_WAIT,
    port::video::{
        CAPTIONS_FILE, RenderError, RenderFault, RenderProgress, RenderRequest, RenderSink, THUMBNAIL_FILE, VIDEO_FILE,
    },
};
use serde_json::Value;

pub use briefing::{Briefing, OutputOptions, Quality, Style, Tone};
pub use expand::{Plan, expand};
pub use output::Output;

/// Makes a film from a briefing.
pub struct VideoGenerate;

/// A render may take so many times the length of its film, and a minute.
const TIMES_ITS_LENGTH: f64 = 40.0;

/// The progress of a task that is left for the uploads.
const UPLOADED_FROM_PERCENT: f32 = 97.0;

impl JobKind for VideoGenerate {
    const NAME: &'static str = "video.generate";
    const SUMMARY: &'static str = "Makes a captioned film with music from a title and a description";
    const QUEUE: &'static str = "video";
    const TIMEOUT: Duration = Duration::from_secs(60 + 40 * 30);
    const MAX_ATTEMPTS: u32 = 3;

    type Input = Briefing;
    type Output = Output;

    fn example() -> Briefing {
        Briefing::example()
    }

    fn tidy(input: &mut Value) {
        briefing::tidy(input);
    }

    fn check(input: &Briefing) -> Vec<Fault> {
        input.faults()
    }

    fn timeout(input: &Briefing) -> Duration {
        Duration::from_secs(60) + Duration::from_secs_f64(input.duration * TIMES_ITS_LENGTH)
    }

    fn runs_on(engines: &Engines) -> bool {
        engines.video.is_some()
    }

    async fn run(input: Briefing, cx: &JobContext) -> Result<Output, JobError> {
        let Some(engine) = cx.engines.video.clone() else {
            return Err(JobError::retry("engine_unavailable", "this worker has no video engine"));
        };
        let Plan { timeline, warnings } = expand(&input);
        let (scenes, seconds) = (timeline.scenes.len(), timeline.seconds());
        cx.log(LogLevel::Info, format!("planned {scenes} scenes, {seconds:.1} seconds, {} frames", timeline.frames()));
        let dir = cx.scratch().await?;
        let request = RenderRequest { timeline, dir: dir.clone() };
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
        cx.artifact(VIDEO_FILE, "video/mp4", dir.join(VIDEO_FILE)).await?;
        cx.artifact(THUMBNAIL_FILE, "image/jpeg", dir.join(THUMBNAIL_FILE)).await?;
        cx.artifact(CAPTIONS_FILE, "application/x-subrip", dir.join(CAPTIONS_FILE)).await?;
        Ok(Output::new(&input, scenes, rendered, warnings))
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
