//! One render: a process started, listened to, and ended.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use jobs_core::port::video::{
    CAPTIONS_FILE, Format, InspectRequest, RenderError, RenderFault, RenderJob, RenderLine, RenderRequest, RenderSink,
    Rendered, SHEET_FILE, SheetRequest, Source, SourceFacts, THUMBNAIL_FILE, VideoEngine, WEB_CAPTIONS_FILE,
};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    MediaProcess,
    child::{Contained, ContainedChild, Containment, Ended},
};

const STARVED: &str = "the render process needs more memory than it may have";

/// How long a render is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without a line it is taken for stuck.
    pub(super) silence: Duration,
    /// Whatever the film.
    pub(super) least: Duration,
    /// So many times the length of the film more.
    pub(super) times_its_length: f64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), least: Duration::from_secs(60), times_its_length: 40.0 }
    }
}

impl VideoEngine for MediaProcess {
    fn render<'a>(
        &'a self,
        request: RenderRequest,
        sink: &'a dyn RenderSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Rendered, RenderError>> {
        async move {
            let (dir, seconds) = (request.dir.clone(), request.film.seconds());
            let said = self.run(&RenderJob::Render(request), &dir, seconds, sink, &cancel).await;
            let result = said.and_then(|said| match said {
                RenderLine::Done(rendered) => Ok(rendered),
                other => Err(unexpected(&other)),
            });
            if result.is_err() {
                // The process removes its files when it can; a killed one could not.
                let films = Format::ALL.map(Format::file);
                for file in films.into_iter().chain([THUMBNAIL_FILE, CAPTIONS_FILE, WEB_CAPTIONS_FILE]) {
                    let _ = tokio::fs::remove_file(dir.join(file)).await;
                }
            }
            result
        }
        .boxed()
    }

    fn inspect<'a>(
        &'a self,
        sources: Vec<Source>,
        dir: PathBuf,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<SourceFacts>, RenderError>> {
        async move {
            let count = sources.len();
            let job = RenderJob::Inspect(InspectRequest { sources, dir: dir.clone() });
            match self.run(&job, &dir, 0.0, &Unheard, &cancel).await? {
                RenderLine::Facts(facts) if facts.len() == count => Ok(facts),
                other => Err(unexpected(&other)),
            }
        }
        .boxed()
    }

    fn sheet<'a>(
        &'a self,
        request: SheetRequest,
        sink: &'a dyn RenderSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<(), RenderError>> {
        async move {
            let (dir, seconds) = (request.dir.clone(), request.film.seconds());
            let result = match self.run(&RenderJob::Sheet(request), &dir, seconds, sink, &cancel).await {
                Ok(RenderLine::Drawn) => Ok(()),
                Ok(other) => Err(unexpected(&other)),
                Err(error) => Err(error),
            };
            if result.is_err() {
                let _ = tokio::fs::remove_file(dir.join(SHEET_FILE)).await;
            }
            result
        }
        .boxed()
    }
}

/// A last word that is not for what was asked.
fn unexpected(line: &RenderLine) -> RenderError {
    RenderError::new(RenderFault::EngineUnavailable, format!("the render process answers another question: {line:?}"))
}

/// A look at files takes no time that is worth telling.
struct Unheard;

impl RenderSink for Unheard {
    fn progress(&self, _: jobs_core::port::video::RenderProgress) {}

    fn log(&self, _: &str, _: &str) {}
}

/// Why listening ended.
enum Heard {
    Last(Result<RenderLine, RenderError>),
    /// It wrote no more, and had not said the last word.
    Nothing,
    Cancelled,
    Stalled,
    TooSlow,
    Gibberish(String),
}

impl MediaProcess {
    async fn run(
        &self,
        job: &RenderJob,
        dir: &Path,
        seconds: f64,
        sink: &dyn RenderSink,
        cancel: &CancellationToken,
    ) -> Result<RenderLine, RenderError> {
        if cancel.is_cancelled() {
            return Err(RenderError::cancelled());
        }
        let unavailable = |message: String| RenderError::new(RenderFault::EngineUnavailable, message);
        let mut line = serde_json::to_vec(job)
            .map_err(|error| RenderError::new(RenderFault::TimelineInvalid, format!("cannot be sent: {error}")))?;
        line.push(b'\n');
        let what = Contained { program: &self.program, args: &[], env: &self.env, dir, limits: self.limits };
        let mut child = ContainedChild::start(&what)
            .map_err(|error| unavailable(format!("cannot start {}: {error}", self.program.display())))?;
        // A process that died at once shows that below, with what it said.
        let _ = child.write(&line).await;
        let length = Duration::from_secs_f64(seconds * self.patience.times_its_length);
        let deadline = Instant::now() + self.patience.least + length;
        let heard = self.listen(&mut child, sink, cancel, deadline).await;
        let lost = |error: std::io::Error| {
            RenderError::new(RenderFault::RenderCrashed, format!("lost track of the render process: {error}"))
        };
        match heard {
            Heard::Last(result) => {
                child.close_stdin();
                let ended = match tokio::time::timeout(super::child::GRACE, child.ended()).await {
                    Ok(ended) => ended,
                    Err(_) => child.stop().await,
                };
                let is_starved = ended.is_ok_and(|ended| ended.containment() == Some(Containment::Memory));
                match result {
                    // Encoders say that they failed, and why only to people.
                    Err(error) if error.code == RenderFault::EncodeFailed && is_starved => {
                        Err(RenderError::new(RenderFault::MemoryLimit, format!("{STARVED}: {}", error.message)))
                    }
                    result => result,
                }
            }
            Heard::Nothing => {
                let ended = child.ended().await.map_err(lost)?;
                Err(crashed(&ended))
            }
            Heard::Cancelled => {
                child.stop().await.map_err(lost)?;
                Err(RenderError::cancelled())
            }
            Heard::Stalled => {
                child.stop().await.map_err(lost)?;
                let message = format!("no sign of life for {} s", self.patience.silence.as_secs());
                Err(RenderError::new(RenderFault::RenderStalled, message))
            }
            Heard::TooSlow => {
                child.stop().await.map_err(lost)?;
                let seconds = (self.patience.least + length).as_secs();
                Err(RenderError::new(RenderFault::RenderTooSlow, format!("not done after {seconds} s")))
            }
            Heard::Gibberish(message) => {
                child.stop().await.map_err(lost)?;
                Err(unavailable(message))
            }
        }
    }

    async fn listen(
        &self,
        child: &mut ContainedChild,
        sink: &dyn RenderSink,
        cancel: &CancellationToken,
        deadline: Instant,
    ) -> Heard {
        loop {
            let silence_ends = Instant::now() + self.patience.silence;
            let line = tokio::select! {
                biased;
                () = cancel.cancelled() => return Heard::Cancelled,
                line = timeout_at(silence_ends.min(deadline), child.line()) => line,
            };
            let line = match line {
                Err(_) if Instant::now() >= deadline => return Heard::TooSlow,
                Err(_) => return Heard::Stalled,
                Ok(Err(error)) => return Heard::Gibberish(format!("cannot read from the render process: {error}")),
                Ok(Ok(None)) => return Heard::Nothing,
                Ok(Ok(Some(line))) => line,
            };
            match serde_json::from_str(&line) {
                Ok(RenderLine::Progress(progress)) => sink.progress(progress),
                Ok(RenderLine::Log { level, message }) => sink.log(&level, &message),
                Ok(RenderLine::Error(error)) => return Heard::Last(Err(error)),
                Ok(last) => return Heard::Last(Ok(last)),
                Err(error) => return Heard::Gibberish(format!("the render process speaks another protocol: {error}")),
            }
        }
    }
}

/// The failure of a process that ended without a last word.
fn crashed(ended: &Ended) -> RenderError {
    let (fault, what) = match ended.containment() {
        None => (RenderFault::RenderCrashed, "the render process crashed"),
        Some(Containment::Killed) => (RenderFault::Killed, "the render process was killed from outside"),
        Some(Containment::Memory) => (RenderFault::MemoryLimit, STARVED),
        Some(Containment::Disk) => (RenderFault::DiskLimit, "the render process wrote a larger file than it may"),
    };
    RenderError::new(fault, format!("{what}: {}", ended.describe()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, sync::Mutex};

    use jobs_core::port::video::{Film, RenderProgress};
    use jobs_kinds::video_generate::{Briefing, expand};

    use super::*;
    use crate::limits::Limits;

    /// Remembers what an engine told.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl RenderSink for Heard {
        fn progress(&self, progress: RenderProgress) {
            self.0.lock().expect("not poisoned").push(progress.message);
        }

        fn log(&self, level: &str, message: &str) {
            self.0.lock().expect("not poisoned").push(format!("{level} {message}"));
        }
    }

    fn film() -> Film {
        let briefing = serde_json::json!({
            "title": "A film", "description": "Of one sentence.", "duration": 15, "style": "bold", "tone": "calm"
        });
        expand(&serde_json::from_value::<Briefing>(briefing).expect("a briefing")).film
    }

    /// An engine that is this script, which is how every way to fail can be had.
    fn engine(dir: &Path, script: &str) -> MediaProcess {
        let program = dir.join("engine");
        fs::write(&program, format!("#!/bin/sh\nread -r request\n{script}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
        let env = vec![("PATH", "/usr/bin:/bin".into())];
        let limits = Limits { memory_bytes: 1 << 30, disk_bytes: 1 << 20 };
        let mut engine = MediaProcess::at(program, env, limits).expect("it is there");
        engine.patience.silence = Duration::from_secs(20);
        engine
    }

    async fn failure(engine: &MediaProcess, dir: &Path, cancel: CancellationToken, sink: &Heard) -> RenderError {
        let request = RenderRequest { film: film(), dir: dir.to_owned() };
        engine.render(request, sink, cancel).await.expect_err("no film")
    }

    const PROGRESS: &str =
        r#"echo '{"progress":{"phase":"render","percent":5,"message":"frame 1","frame":1,"total_frames":2}}'"#;

    #[tokio::test]
    async fn a_crash_is_a_failure_that_another_attempt_may_not_meet() {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!("{PROGRESS}; touch video.mp4; echo 'bad macroblock' >&2; kill -SEGV $$");
        let (engine, heard) = (engine(dir.path(), &script), Heard::default());
        let error = failure(&engine, dir.path(), CancellationToken::new(), &heard).await;
        assert_eq!((error.code, error.retryable), (RenderFault::RenderCrashed, true));
        assert!(error.message.contains("SIGSEGV") && error.message.contains("bad macroblock"), "{error}");
        assert_eq!(*heard.0.lock().expect("not poisoned"), ["frame 1"]);
        assert!(!dir.path().join("video.mp4").exists());
    }

    #[tokio::test]
    async fn an_engine_that_is_killed_from_outside_is_tried_again_and_one_that_writes_too_much_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        for (script, told) in [
            ("kill -KILL $$", (RenderFault::Killed, true)),
            ("kill -XFSZ $$", (RenderFault::DiskLimit, false)),
            ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", (RenderFault::MemoryLimit, false)),
        ] {
            let engine = engine(dir.path(), script);
            let error = failure(&engine, dir.path(), CancellationToken::new(), &Heard::default()).await;
            assert_eq!((error.code, error.retryable), told, "{error}");
        }
    }

    #[tokio::test]
    async fn an_engine_that_says_nothing_is_stopped() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut engine = engine(dir.path(), "sleep 300");
        engine.patience.silence = Duration::from_millis(100);
        let error = failure(&engine, dir.path(), CancellationToken::new(), &Heard::default()).await;
        assert_eq!((error.code, error.retryable), (RenderFault::RenderStalled, true));
    }

    #[tokio::test]
    async fn an_engine_that_takes_too_long_is_stopped_though_it_talks() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut engine = engine(dir.path(), &format!("while :; do {PROGRESS}; sleep 0.02; done"));
        engine.patience.least = Duration::from_millis(200);
        engine.patience.times_its_length = 0.0;
        let error = failure(&engine, dir.path(), CancellationToken::new(), &Heard::default()).await;
        assert_eq!(error.code, RenderFault::RenderTooSlow);
    }

    #[tokio::test]
    async fn cancelling_stops_an_engine_within_two_seconds_even_when_it_does_not_listen() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = engine(dir.path(), &format!("trap '' TERM; {PROGRESS}; while :; do sleep 300; done"));
        let cancel = CancellationToken::new();
        let heard = Heard::default();
        let cancelling = async {
            while heard.0.lock().expect("not poisoned").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
            Instant::now()
        };
        let (error, since) = tokio::join!(failure(&engine, dir.path(), cancel.clone(), &heard), cancelling);
        assert!(error.is_cancelled());
        assert!(since.elapsed() < Duration::from_millis(2500), "{:?}", since.elapsed());
    }

    #[tokio::test]
    async fn what_an_engine_says_about_its_failure_is_passed_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let said = r#"{"error":{"code":"encoder_missing","message":"no libx264","retryable":true}}"#;
        let engine = engine(dir.path(), &format!("echo '{said}'; exit 1"));
        let error = failure(&engine, dir.path(), CancellationToken::new(), &Heard::default()).await;
        assert_eq!(error, RenderError::new(RenderFault::EncoderMissing, "no libx264"));
    }

    #[tokio::test]
    async fn another_protocol_is_an_engine_that_is_not_available() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = engine(dir.path(), "echo hello");
        let error = failure(&engine, dir.path(), CancellationToken::new(), &Heard::default()).await;
        assert_eq!(error.code, RenderFault::EngineUnavailable);
    }
}
