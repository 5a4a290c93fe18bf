//! What a film is, and the engine that renders one.
//!
//! A [`Timeline`] says everything that a viewer sees and hears, in plain data: the same timeline always gives the same
//! film. It knows nothing of codecs' libraries; an engine behind [`VideoEngine`] turns it into files.
//!
//! Lengths on the picture are in *units* (suffix `_u`): the shorter side of the picture is [`SHORT_SIDE_U`] units long,
//! whatever its pixels, and the origin is the top left corner. Times are frames of the film, so that no rounding is left
//! to the engine.

use std::{fmt, path::PathBuf};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How many units the shorter side of every picture has.
pub const SHORT_SIDE_U: f32 = 1080.0;

/// The name of the film in the directory of a render.
pub const VIDEO_FILE: &str = "video.mp4";
/// The name of the still picture in the directory of a render.
pub const THUMBNAIL_FILE: &str = "thumbnail.jpg";
/// The name of the subtitles in the directory of a render.
pub const CAPTIONS_FILE: &str = "captions.srt";

/// Renders films.
pub trait VideoEngine: Send + Sync {
    /// Renders `request.timeline` into files of `request.dir`.
    ///
    /// Dropping the future, or cancelling the token, ends the render and whatever process it uses; no file of an unfinished
    /// film is left.
    fn render<'a>(
        &'a self,
        request: RenderRequest,
        sink: &'a dyn RenderSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Rendered, RenderError>>;
}

/// Where a render tells how it goes.
pub trait RenderSink: Send + Sync {
    /// How far the render is. Called a few times a second at most.
    fn progress(&self, progress: RenderProgress);
    /// A line for the log of the task; `level` is `debug`, `info`, `warn` or `error`.
    fn log(&self, level: &str, message: &str);
}

/// One film to render.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenderRequest {
    /// What the film is.
    pub timeline: Timeline,
    /// An existing directory for the files, which the engine may fill and does not remove.
    pub dir: PathBuf,
}

/// A film: scenes one after the other, what lies over all of them, captions and sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// The title in the metadata of the file.
    pub title: String,
    /// Size, rate and quality of the picture.
    pub output: VideoSpec,
    /// The scenes in their order; their frames add up to the film's.
    pub scenes: Vec<Scene>,
    /// Drawn over every scene and its transition, below the captions. Their times are the film's.
    #[serde(default)]
    pub overlays: Vec<Element>,
    /// How captions look.
    pub caption_style: CaptionStyle,
    /// What is said and when, in order and without overlap.
    #[serde(default)]
    pub captions: Vec<Cue>,
    /// What is heard.
    pub soundtrack: Soundtrack,
    /// The still picture that stands for the film.
    pub thumbnail: ThumbnailSpec,
}

impl Timeline {
    /// The length of the film in frames.
    pub fn frames(&self) -> u32 {
        self.scenes.iter().map(|scene| scene.frames).sum()
    }

    /// The length of the film in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.frames()) / f64::from(self.output.fps.max(1))
    }
}

/// Size, rate and quality of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoSpec {
    /// Even number of pixels.
    pub width_px: u32,
    /// Even number of pixels.
    pub height_px: u32,
    /// Frames per second.
    pub fps: u32,
    /// How much time the encoder may take for how good a picture.
    pub quality: Quality,
}

/// How much time the encoder may take for how good a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Fast, for previews.
    Draft,
    /// Good for the web.
    Medium,
    /// For further editing: small gains for three times the work.
    High,
}

/// A stretch of the film with one background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// A name for logs.
    pub id: String,
    /// How long it lasts.
    pub frames: u32,
    /// What fills the picture.
    pub background: Background,
    /// What lies on it, the first at the bottom. Their times are the scene's.
    #[serde(default)]
    pub elements: Vec<Element>,
    /// How this scene takes over from the one before. It takes no time of its own: both move meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
}

/// How a scene takes over from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// What it looks like.
    pub kind: TransitionKind,
    /// The first frames of the scene, during which both are seen.
    pub frames: u32,
}

/// What a transition looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// One fades into the other.
    Crossfade,
    /// The old scene fades to black, the new one out of it.
    ThroughBlack,
    /// The new scene pushes the old one out to the left.
    SlideLeft,
    /// The new scene pushes the old one out at the top.
    SlideUp,
    /// A slanted edge uncovers the new scene from the left.
    Wipe,
    /// A growing circle uncovers the new scene.
    Circle,
}

/// What fills the picture of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Background {
    /// One colour.
    Color {
        /// The colour.
        color: Color,
    },
    /// From one edge to the opposite one.
    Linear {
        /// Where it starts.
        from: Color,
        /// Where it ends.
        to: Color,
        /// 0 is left to right, 90 top to bottom.
        angle_deg: f32,
    },
    /// From a point outwards.
    Radial {
        /// At the point.
        center: Color,
        /// At the radius and beyond.
        edge: Color,
        /// The point.
        at: Point,
        /// Where `edge` is reached.
        radius_u: f32,
    },
}

/// A colour with its opacity, written `#rrggbb` or `#rrggbbaa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// 255 is opaque.
    pub a: u8,
}

impl Color {
    /// An opaque colour from `0xrrggbb`.
    pub const fn rgb(value: u32) -> Self {
        Self { r: (value >> 16) as u8, g: (value >> 8) as u8, b: value as u8, a: 255 }
    }

    /// The same colour at an opacity of `a` in 255.
    pub const fn alpha(self, a: u8) -> Self {
        Self { a, ..self }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.r, self.g, self.b)?;
        if self.a == 255 { Ok(()) } else { write!(f, "{:02x}", self.a) }
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.to_string()
    }
}

impl TryFrom<String> for Color {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fault = || format!("{text:?} is not a colour like #rrggbb or #rrggbbaa");
        let digits = text.strip_prefix('#').ok_or_else(fault)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(fault());
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| fault())?;
        match digits.len() {
            6 => Ok(Self::rgb(value)),
            8 => Ok(Self::rgb(value >> 8).alpha(value as u8)),
            _ => Err(fault()),
        }
    }
}

/// A place on the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// From the left.
    pub x_u: f32,
    /// From the top.
    pub y_u: f32,
}

/// Something on the picture: what it is, when it comes and how it moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// What it is.
    pub shape: Shape,
    /// When it comes.
    #[serde(default)]
    pub start_frame: u32,
    /// How it comes.
    #[serde(default)]
    pub enter: Enter,
    /// How long its coming takes.
    #[serde(default)]
    pub enter_frames: u32,
    /// How it moves from then on.
    #[serde(default)]
    pub drift: Drift,
}

impl Element {
    /// `shape`, there from the start and still.
    pub fn still(shape: Shape) -> Self {
        Self { shape, start_frame: 0, enter: Enter::Cut, enter_frames: 0, drift: Drift::Still }
    }

    /// The same, coming from `start_frame` on for `frames`.
    #[must_use]
    pub fn enters(self, enter: Enter, start_frame: u32, frames: u32) -> Self {
        Self { enter, start_frame, enter_frames: frames, ..self }
    }

    /// The same, moving.
    #[must_use]
    pub fn drifts(self, drift: Drift) -> Self {
        Self { drift, ..self }
    }
}

/// What an element is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// Words.
    Text(TextBox),
    /// A rectangle, perhaps with round corners.
    Rect {
        /// Top left corner.
        at: Point,
        /// To the right.
        width_u: f32,
        /// Downwards.
        height_u: f32,
        /// Of the corners.
        radius_u: f32,
        /// Filled with.
        color: Color,
    },
    /// An ellipse.
    Ellipse {
        /// Its middle.
        at: Point,
        /// Half its width.
        radius_x_u: f32,
        /// Half its height.
        radius_y_u: f32,
        /// Filled with, unless it is only an outline.
        color: Color,
        /// Width of the outline; filled without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stroke_u: Option<f32>,
        /// How soft its edge is; 0 is sharp.
        #[serde(default)]
        blur_u: f32,
    },
    /// Straight edges through points.
    Polygon {
        /// Its corners.
        points: Vec<Point>,
        /// Filled with.
        color: Color,
    },
    /// A line that grows with the film, from nothing to the full width.
    Progress {
        /// Its left end.
        at: Point,
        /// Its length at the end of the film.
        width_u: f32,
        /// Its height.
        height_u: f32,
        /// What has passed.
        color: Color,
        /// What is to come.
        track: Color,
    },
}

/// Words in a box: set as large as they fit, on lines of even length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextBox {
    /// What is written.
    pub text: String,
    /// The anchor: by `align` the left end, the middle or the right end, and by `valign` the top, middle or bottom.
    pub at: Point,
    /// Lines are at most this long.
    pub width_u: f32,
    /// The size of the letters when everything fits; smaller when not.
    pub size_u: f32,
    /// At most so many lines.
    pub max_lines: u32,
    /// The design of the letters.
    pub family: Family,
    /// 100 (thin) to 900 (black).
    pub weight: u16,
    /// Of the letters.
    pub color: Color,
    /// Where lines start.
    pub align: Align,
    /// Which part of the box is at the anchor.
    pub valign: Valign,
    /// From line to line, as a multiple of the size.
    pub line_height: f32,
    /// Added between letters, as a multiple of the size.
    #[serde(default)]
    pub tracking: f32,
    /// A soft shadow below, as opacity from 0 to 1.
    #[serde(default)]
    pub shadow: f32,
}

/// The design of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// For small sizes.
    Text,
    /// For titles.
    Display,
}

/// Where lines start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// At the left.
    Left,
    /// Centred.
    Center,
    /// At the right.
    Right,
}

/// Which part of a box is at its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Valign {
    /// Its top.
    Top,
    /// Its middle.
    Middle,
    /// Its bottom.
    Bottom,
}

/// How an element comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enter {
    /// It is there.
    #[default]
    Cut,
    /// Out of nothing.
    Fade,
    /// Out of nothing and a little upwards, line by line.
    FadeUp,
    /// Up from behind an edge, line by line.
    Rise,
    /// Growing past its size and back, line by line.
    Pop,
    /// In from the left.
    FromLeft,
    /// In from the right.
    FromRight,
    /// Uncovered from its left end.
    GrowRight,
    /// Uncovered from its bottom.
    GrowUp,
}

/// How an element moves after it came.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Drift {
    /// It does not.
    #[default]
    Still,
    /// At an even speed.
    Linear {
        /// To the right, per second.
        x_u_per_s: f32,
        /// Downwards, per second.
        y_u_per_s: f32,
    },
    /// To and fro, as a sine.
    Float {
        /// How far to either side.
        x_u: f32,
        /// How far up and down.
        y_u: f32,
        /// Of one whole movement.
        period_ms: u32,
        /// Where it starts, 0 to 1.
        phase: f32,
    },
    /// As a ball on the floor.
    Bounce {
        /// How high.
        height_u: f32,
        /// From floor to floor.
        period_ms: u32,
        /// Where it starts, 0 to 1.
        phase: f32,
    },
}

/// Words that are read together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cue {
    /// The first frame of the film on which it is seen.
    pub start_frame: u32,
    /// The first frame on which it is not seen any more.
    pub end_frame: u32,
    /// One or two lines of words.
    pub lines: Vec<Vec<Word>>,
}

impl Cue {
    /// What it says, one line below the other.
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().map(|word| word.text.as_str()).collect::<String>());
        lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// A word of a caption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The word, with the space after it if there is one.
    pub text: String,
    /// The frame of the film on which it is said; it stays marked until the next one's.
    pub start_frame: u32,
}

/// How captions look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionStyle {
    /// The middle of the bottom edge of the box.
    pub at: Point,
    /// Lines are at most this long.
    pub width_u: f32,
    /// Of the letters.
    pub size_u: f32,
    /// 100 (thin) to 900 (black).
    pub weight: u16,
    /// Of the letters.
    pub color: Color,
    /// Of the word that is said.
    pub highlight: Color,
    /// A box behind the word that is said, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highlight_box: Option<Color>,
    /// Behind the lines.
    pub background: Color,
    /// Of the corners of the background.
    pub radius_u: f32,
}

/// Music made by the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soundtrack {
    /// What it sounds like.
    pub mood: Mood,
    /// Chooses key and variation.
    pub seed: u64,
    /// Integrated loudness by EBU R 128, in LUFS.
    pub loudness_lufs: f32,
    /// At the start.
    pub fade_in_ms: u32,
    /// At the end.
    pub fade_out_ms: u32,
}

/// What music sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Steady and bright, in the background.
    Confident,
    /// Plucked and warm.
    Warm,
    /// Fast, with a beat.
    Driving,
    /// Slow and soft.
    Still,
    /// Minor and wide, with a slow pulse.
    Tense,
}

/// Which picture stands for the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThumbnailSpec {
    /// The frame of the film.
    pub frame: u32,
    /// Its width; the height follows. Never larger than the film.
    pub width_px: u32,
}

/// How far a render is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderProgress {
    /// What is being done.
    pub phase: RenderPhase,
    /// Of the whole render, 0 to 100; never less than before.
    pub percent: f32,
    /// For people.
    pub message: String,
    /// Frames done.
    pub frame: u32,
    /// Frames of the film.
    pub total_frames: u32,
    /// Frames rendered per second so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render_fps: Option<f32>,
    /// Expected until the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
}

/// What a render is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderPhase {
    /// Fonts and layout.
    Prepare,
    /// Music and its loudness.
    Audio,
    /// Pictures, drawn and encoded.
    Render,
    /// The index of the file, the thumbnail, a last look at the result.
    Finalize,
}

impl RenderPhase {
    /// Its name in progress and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Audio => "audio",
            Self::Render => "render",
            Self::Finalize => "finalize",
        }
    }
}

/// A finished film, as read back from its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// The film, in [`VIDEO_FILE`].
    pub video: VideoFacts,
    /// The still picture, in [`THUMBNAIL_FILE`].
    pub thumbnail: ThumbnailFacts,
    /// The number of cues in [`CAPTIONS_FILE`].
    pub caption_cues: u32,
    /// What it took.
    pub stats: RenderStats,
    /// What is not as it was asked for, for people.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What is in a video file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoFacts {
    /// Pixels.
    pub width_px: u32,
    /// Pixels.
    pub height_px: u32,
    /// Frames per second.
    pub fps: f64,
    /// How many pictures.
    pub frames: u64,
    /// Of the file.
    pub duration_ms: u64,
    /// `h264`, for instance.
    pub video_codec: String,
    /// `aac`, for instance.
    pub audio_codec: String,
    /// Integrated loudness of the soundtrack, in LUFS.
    pub loudness_lufs: f32,
    /// Of the file.
    pub size_bytes: u64,
}

/// What is in a still picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThumbnailFacts {
    /// Pixels.
    pub width_px: u32,
    /// Pixels.
    pub height_px: u32,
    /// Of the file.
    pub size_bytes: u64,
}

/// What a render took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderStats {
    /// From request to result.
    pub wall_ms: u64,
    /// Of all threads.
    pub cpu_ms: u64,
    /// The most memory at one time, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// Frames drawn and encoded per second.
    pub render_fps: f32,
}

/// Why there is no film.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    /// For programs.
    pub code: RenderFault,
    /// For people.
    pub message: String,
    /// Whether the same request may well succeed another time.
    pub retryable: bool,
}

impl RenderError {
    /// A failure for `code`, which also says whether another attempt makes sense.
    pub fn new(code: RenderFault, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.retryable() }
    }

    /// The end that was asked for.
    pub fn cancelled() -> Self {
        Self::new(RenderFault::RenderCancelled, "the render was cancelled")
    }

    /// Whether it ended because it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.code == RenderFault::RenderCancelled
    }
}

/// The codes of [`RenderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderFault {
    /// It was asked to end.
    RenderCancelled,
    /// The process of the engine died.
    RenderCrashed,
    /// The process of the engine gave no sign of life.
    RenderStalled,
    /// It took many times longer than the film is.
    RenderTooSlow,
    /// The engine could not be started, or spoke another protocol.
    EngineUnavailable,
    /// The libraries on this machine have no encoder for the asked format.
    EncoderMissing,
    /// An encoder or the container refused.
    EncodeFailed,
    /// A file could not be written.
    WriteFailed,
    /// The timeline says something that cannot be drawn.
    TimelineInvalid,
}

impl RenderFault {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::RenderCancelled => "render_cancelled",
            Self::RenderCrashed => "render_crashed",
            Self::RenderStalled => "render_stalled",
            Self::RenderTooSlow => "render_too_slow",
            Self::EngineUnavailable => "engine_unavailable",
            Self::EncoderMissing => "encoder_missing",
            Self::EncodeFailed => "encode_failed",
            Self::WriteFailed => "write_failed",
            Self::TimelineInvalid => "timeline_invalid",
        }
    }

    /// Whether another attempt, perhaps on another worker, may well succeed.
    pub fn retryable(self) -> bool {
        !matches!(self, Self::RenderCancelled | Self::TimelineInvalid)
    }
}

/// One line that a render process writes: any number of `progress` and `log`, then one `done` or `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderLine {
    /// How far it is.
    Progress(RenderProgress),
    /// For the log of the task.
    Log {
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// What happened.
        message: String,
    },
    /// The film is there.
    Done(Rendered),
    /// There will be none.
    Error(RenderError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_written_as_it_is_read() {
        for text in ["#0a0b0c", "#ffffff80"] {
            let color = Color::try_from(text.to_owned()).expect("a colour");
            assert_eq!(color.to_string(), text);
        }
        for text in ["", "0a0b0c", "#0a0b0", "#0a0b0g", "#+a0b0c", "#é0b0"] {
            assert!(Color::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_of_a_render_process_are_objects_of_one_key() {
        let line = RenderLine::Error(RenderError::new(RenderFault::RenderStalled, "no sign of life"));
        let json = serde_json::to_string(&line).expect("json");
        assert_eq!(json, r#"{"error":{"code":"render_stalled","message":"no sign of life","retryable":true}}"#);
        assert_eq!(serde_json::from_str::<RenderLine>(&json).expect("a line"), line);
    }
}
