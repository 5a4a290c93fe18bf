//! One render, from the timeline to the files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use jobs_core::port::video::{
    CAPTIONS_FILE, RenderError, RenderFault, RenderPhase, RenderProgress, RenderRequest, RenderSink, RenderStats,
    Rendered, SHORT_SIDE_U, THUMBNAIL_FILE, ThumbnailFacts, Timeline, VIDEO_FILE,
};

use crate::{
    canvas::Canvas,
    caption::Captions,
    encode::Writer,
    failure::{failed, unwritten},
    fonts::Fonts,
    layer::{Frame, Layer},
    loudness,
    music::{self, RATE},
    probe,
    scene::Stage,
    srt, still, transition, usage,
};

/// Progress is told at most this often.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Where the pictures start and end on the way from 0 to 100.
const PICTURES_PERCENT: (f32, f32) = (6.0, 97.0);

/// Renders `request` on this thread and rayon's. `stop` ends it at the next frame; no file is left then.
///
/// # Errors
/// When the timeline cannot be drawn, an encoder is missing or refuses, or a file cannot be written.
pub fn render(
    request: &RenderRequest,
    fonts_dir: Option<&Path>,
    sink: &dyn RenderSink,
    stop: &AtomicBool,
) -> Result<Rendered, RenderError> {
    let files = Files::new(&request.dir);
    let rendered = Render { timeline: &request.timeline, files: &files, sink, stop, began: Instant::now() };
    let result = rendered.run(fonts_dir);
    if result.is_err() {
        files.remove();
    }
    result
}

struct Render<'a> {
    timeline: &'a Timeline,
    files: &'a Files,
    sink: &'a dyn RenderSink,
    stop: &'a AtomicBool,
    began: Instant,
}

impl Render<'_> {
    fn run(&self, fonts_dir: Option<&Path>) -> Result<Rendered, RenderError> {
        crate::check::check(self.timeline)?;
        ffmpeg_next::init().map_err(failed("start FFmpeg"))?;
        // What libraries print is not progress; errors come back as values.
        ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
        self.tell(RenderPhase::Prepare, 0.0, 0, "loading fonts");
        let mut fonts = Fonts::load(fonts_dir);
        // Sound first: it is quick, and what can go wrong goes wrong early.
        self.tell(RenderPhase::Audio, 1.0, 0, "composing music");
        let (samples, loudness) = self.sound()?;
        let pictures_began = Instant::now();
        let thumbnail = self.pictures(&mut fonts, &samples)?;
        let render_fps = self.timeline.frames() as f32 / pictures_began.elapsed().as_secs_f32().max(1e-3);
        self.tell(RenderPhase::Finalize, 98.0, self.timeline.frames(), "reading the film back");
        let cues = &self.timeline.captions;
        write(&self.files.captions, srt::write(cues, self.timeline.output.fps).as_bytes())?;
        let video = probe::facts(&self.files.video, loudness as f32)?;
        let stats = RenderStats {
            wall_ms: self.began.elapsed().as_millis() as u64,
            cpu_ms: usage::cpu_ms(),
            peak_rss_bytes: usage::peak_rss_bytes(),
            render_fps,
        };
        let warnings = fonts.warning().into_iter().collect();
        Ok(Rendered { video, thumbnail, caption_cues: cues.len() as u32, stats, warnings })
    }

    /// The whole soundtrack and its loudness.
    fn sound(&self) -> Result<(Vec<f32>, f64), RenderError> {
        let track = &self.timeline.soundtrack;
        let (frames, fps) = (u64::from(self.timeline.frames()), u64::from(self.timeline.output.fps));
        let samples = (frames * u64::from(RATE) / fps) as usize;
        let mut sound = music::compose(track.mood, track.seed, samples);
        music::fade(&mut sound, track.fade_in_ms, track.fade_out_ms);
        self.go_on()?;
        let landed = loudness::normalise(&mut sound, f64::from(track.loudness_lufs)).map_err(|error| {
            RenderError::new(RenderFault::EncodeFailed, format!("cannot measure loudness: {error}"))
        })?;
        self.sink.log("debug", &format!("the soundtrack has {landed:.1} LUFS"));
        Ok((sound, landed))
    }

    fn pictures(&self, fonts: &mut Fonts, samples: &[f32]) -> Result<ThumbnailFacts, RenderError> {
        let timeline = self.timeline;
        let spec = &timeline.output;
        let size = (spec.width_px as usize, spec.height_px as usize);
        let scale = spec.width_px.min(spec.height_px) as f32 / SHORT_SIDE_U;
        let total = timeline.frames();
        let frame = Frame { scale, fps: spec.fps as f32, total_frames: total };
        let mut writer = Writer::create(&self.files.video, spec, &timeline.title)?;
        let mut canvas = Canvas::new(size.0, size.1);
        let mut next_canvas = Canvas::new(size.0, size.1);
        let overlays: Vec<_> = timeline.overlays.iter().map(|element| Layer::new(fonts, element, frame)).collect();
        let mut captions = Captions::new(&timeline.caption_style, &timeline.captions, scale);
        let mut before: Option<(Stage, u32)> = None;
        let mut thumbnail = None;
        let mut now = 0;
        let mut heard = 0;
        let mut told = Instant::now();
        let began = Instant::now();
        for scene in &timeline.scenes {
            let mut stage = Stage::new(fonts, scene, size, frame);
            for at in 0..scene.frames {
                self.go_on()?;
                match (&mut before, scene.transition) {
                    (Some((old, length)), Some(change)) if at < change.frames => {
                        old.draw(&mut canvas, *length + at);
                        stage.draw(&mut next_canvas, at);
                        let p = (at + 1) as f32 / (change.frames + 1) as f32;
                        transition::apply(change.kind, &mut canvas, &next_canvas, p);
                    }
                    _ => {
                        before = None;
                        stage.draw(&mut canvas, at);
                    }
                }
                overlays.iter().for_each(|overlay| overlay.draw(&mut canvas, now));
                captions.draw(fonts, &mut canvas, now);
                writer.picture(&canvas)?;
                if now == timeline.thumbnail.frame.min(total - 1) {
                    let width = timeline.thumbnail.width_px.min(spec.width_px);
                    thumbnail = Some(still::write(&canvas, width, &self.files.thumbnail)?);
                }
                now += 1;
                // Sound keeps up with the pictures, so that the file plays while it loads.
                let due = (u64::from(now) * u64::from(RATE) / u64::from(spec.fps)) as usize;
                let due = if now == total { samples.len() / 2 } else { Writer::whole_pieces(due) };
                writer.sound(&samples[heard * 2..due * 2])?;
                heard = due;
                if told.elapsed() >= TELL_EVERY || now == total {
                    told = Instant::now();
                    self.tell_pictures(now, began.elapsed());
                }
            }
            before = Some((stage, scene.frames));
        }
        self.tell(RenderPhase::Finalize, PICTURES_PERCENT.1, total, "writing the index");
        writer.finish()?;
        thumbnail.ok_or_else(|| RenderError::new(RenderFault::TimelineInvalid, "the film has no frames"))
    }

    fn go_on(&self) -> Result<(), RenderError> {
        if self.stop.load(Ordering::Relaxed) { Err(RenderError::cancelled()) } else { Ok(()) }
    }

    fn tell_pictures(&self, frame: u32, elapsed: Duration) {
        let total = self.timeline.frames();
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
            total_frames: self.timeline.frames(),
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
}

impl Files {
    fn new(dir: &Path) -> Self {
        Self { video: dir.join(VIDEO_FILE), thumbnail: dir.join(THUMBNAIL_FILE), captions: dir.join(CAPTIONS_FILE) }
    }

    /// Removes whatever is there; what is not there is no fault.
    fn remove(&self) {
        for file in [&self.video, &self.thumbnail, &self.captions] {
            let _ = fs::remove_file(file);
        }
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), RenderError> {
    fs::write(path, data).map_err(unwritten(path))
}
