//! One render, from the film to the files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use jobs_core::port::video::{
    CAPTIONS_FILE, Film, Format, InspectRequest, RenderError, RenderFault, RenderPhase, RenderProgress, RenderRequest,
    RenderSink, RenderStats, Rendered, SheetRequest, SourceFacts, THUMBNAIL_FILE, ThumbnailFacts, WEB_CAPTIONS_FILE,
};

use crate::{
    encode::Writer,
    failure::{failed, unwritten},
    fonts::Fonts,
    mix,
    music::RATE,
    probe,
    reel::Reel,
    source, still, subtitles, usage,
};

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Where the pictures start and end on the way from 0 to 100.
const PICTURES_PERCENT: (f32, f32) = (6.0, 97.0);

/// Renders `request` on this thread and rayon's. `stop` ends it at the next frame; no file is left then.
///
/// # Errors
/// When the film cannot be drawn, an encoder is missing or refuses, or a file cannot be written.
pub fn render(
    request: &RenderRequest,
    fonts_dir: Option<&Path>,
    sink: &dyn RenderSink,
    stop: &AtomicBool,
) -> Result<Rendered, RenderError> {
    let files = Files::new(&request.dir, request.film.output.format);
    let rendered = Render { film: &request.film, files: &files, sink, stop, began: Instant::now() };
    let result = rendered.run(fonts_dir);
    if result.is_err() {
        files.remove();
    }
    result
}

/// Draws the sheet of `request`.
///
/// # Errors
/// As [`render`].
pub fn sheet(
    request: &SheetRequest,
    fonts_dir: Option<&Path>,
    sink: &dyn RenderSink,
    stop: &AtomicBool,
) -> Result<(), RenderError> {
    start_ffmpeg()?;
    let mut fonts = Fonts::load(fonts_dir, &request.film.fonts)?;
    crate::sheet::draw(request, &mut fonts, sink, stop)?;
    if let Some(warning) = fonts.warning() {
        sink.log("warn", &warning);
    }
    Ok(())
}

/// Looks at sources.
///
/// # Errors
/// The first that cannot be used.
pub fn inspect(request: &InspectRequest) -> Result<Vec<SourceFacts>, RenderError> {
    start_ffmpeg()?;
    request.sources.iter().map(source::inspect).collect()
}

fn start_ffmpeg() -> Result<(), RenderError> {
    ffmpeg_next::init().map_err(failed("start FFmpeg"))?;
    // What libraries print is not progress; errors come back as values.
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    Ok(())
}

struct Render<'a> {
    film: &'a Film,
    files: &'a Files,
    sink: &'a dyn RenderSink,
    stop: &'a AtomicBool,
    began: Instant,
}

impl Render<'_> {
    fn run(&self, fonts_dir: Option<&Path>) -> Result<Rendered, RenderError> {
        crate::check::check(self.film)?;
        start_ffmpeg()?;
        self.tell(RenderPhase::Prepare, 0.0, 0, "loading fonts");
        let mut fonts = Fonts::load(fonts_dir, &self.film.fonts)?;
        // Sound first: it is quick, and what can go wrong goes wrong early.
        self.tell(RenderPhase::Audio, 1.0, 0, "mixing sound");
        let (samples, loudness_lufs) = self.sound()?;
        let prepare = self.began.elapsed();
        let thumbnail = self.pictures(&mut fonts, &samples)?;
        let pictures = self.began.elapsed() - prepare;
        self.tell(RenderPhase::Finalize, 98.0, self.film.frames(), "reading the film back");
        let (cues, fps) = (&self.film.captions, self.film.output.fps);
        write(&self.files.captions, subtitles::subrip(cues, fps).as_bytes())?;
        write(&self.files.web_captions, subtitles::webvtt(cues, fps).as_bytes())?;
        let video = probe::facts(&self.files.video, loudness_lufs)?;
        let stats = RenderStats {
            wall_ms: self.began.elapsed().as_millis() as u64,
            cpu_ms: usage::cpu_ms(),
            peak_rss_bytes: usage::peak_rss_bytes(),
            render_fps: self.film.frames() as f32 / pictures.as_secs_f32().max(1e-3),
            prepare_ms: prepare.as_millis() as u64,
            pictures_ms: pictures.as_millis() as u64,
            fonts: fonts.families(),
        };
        let warnings = fonts.warning().into_iter().collect();
        Ok(Rendered { video, thumbnail, caption_cues: cues.len() as u32, stats, warnings })
    }

    /// The whole soundtrack and its loudness; nothing where the format has none.
    fn sound(&self) -> Result<(Vec<f32>, Option<f32>), RenderError> {
        if self.film.output.format == Format::Gif {
            return Ok((Vec::new(), None));
        }
        let (sound, landed) = mix::mix(self.film, &|| self.go_on())?;
        if let Some(landed) = landed {
            self.sink.log("debug", &format!("the soundtrack has {landed:.1} LUFS"));
        }
        Ok((sound, landed))
    }

    fn pictures(&self, fonts: &mut Fonts, samples: &[f32]) -> Result<ThumbnailFacts, RenderError> {
        let film = self.film;
        let spec = &film.output;
        let total = film.frames();
        let mut writer = Writer::create(&self.files.video, spec, &film.title)?;
        let mut reel = Reel::new(film);
        let mut thumbnail = None;
        let mut heard = 0;
        let mut told = Instant::now();
        let began = Instant::now();
        for now in 0..total {
            self.go_on()?;
            let canvas = reel.draw(fonts, now)?;
            writer.picture(canvas)?;
            if now == film.thumbnail.frame.min(total - 1) {
                let width = film.thumbnail.width_px.min(spec.width_px);
                thumbnail = Some(still::write(canvas, width, &self.files.thumbnail)?);
            }
            let done = now + 1;
            // Sound keeps up with the pictures, so that the file plays while it loads.
            let due = (u64::from(done) * u64::from(RATE) / u64::from(spec.fps)) as usize;
            let due = if done == total { samples.len() / 2 } else { writer.whole_pieces(due.min(samples.len() / 2)) };
            writer.sound(&samples[heard * 2..due * 2])?;
            heard = due;
            if told.elapsed() >= TELL_EVERY || done == total {
                told = Instant::now();
                self.tell_pictures(done, began.elapsed());
            }
        }
        self.tell(RenderPhase::Finalize, PICTURES_PERCENT.1, total, "writing the index");
        writer.finish()?;
        thumbnail.ok_or_else(|| RenderError::new(RenderFault::TimelineInvalid, "the film has no frames"))
    }

    fn go_on(&self) -> Result<(), RenderError> {
        if self.stop.load(Ordering::Relaxed) { Err(RenderError::cancelled()) } else { Ok(()) }
    }

    fn tell_pictures(&self, frame: u32, elapsed: Duration) {
        let total = self.film.frames();
        let done = frame as f32 / total as f32;
        let (from, to) = PICTURES_PERCENT;
        let fps = frame as f32 / elapsed.as_secs_f32().max(1e-3);
        self.sink.progress(RenderProgress {
            phase: RenderPhase::Render,
            percent: from + (to - from) * done,
            message: format!("frame {frame} of {total}"),
            frame,
            total_frames: total,
            render_fps: Some(fps),
            remaining_ms: Some(((total - frame) as f32 / fps * 1000.0) as u64),
        });
    }

    fn tell(&self, phase: RenderPhase, percent: f32, frame: u32, message: &str) {
        self.sink.progress(RenderProgress {
            phase,
            percent,
            message: message.to_owned(),
            frame,
            total_frames: self.film.frames(),
            render_fps: None,
            remaining_ms: None,
        });
    }
}

/// What a render leaves in its directory.
struct Files {
    video: PathBuf,
    thumbnail: PathBuf,
    captions: PathBuf,
    web_captions: PathBuf,
}

impl Files {
    fn new(dir: &Path, format: Format) -> Self {
        Self {
            video: dir.join(format.file()),
            thumbnail: dir.join(THUMBNAIL_FILE),
            captions: dir.join(CAPTIONS_FILE),
            web_captions: dir.join(WEB_CAPTIONS_FILE),
        }
    }

    /// Removes whatever is there; what is not there is no fault.
    fn remove(&self) {
        for file in [&self.video, &self.thumbnail, &self.captions, &self.web_captions] {
            let _ = fs::remove_file(file);
        }
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), RenderError> {
    fs::write(path, data).map_err(unwritten(path))
}
