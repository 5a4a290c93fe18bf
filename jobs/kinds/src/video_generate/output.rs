//! What a finished film is, for whoever asked for it.

use jobs_core::port::video::{CAPTIONS_FILE, Format, Rendered, THUMBNAIL_FILE, WEB_CAPTIONS_FILE};
use schemars::JsonSchema;
use serde::Serialize;

/// A finished film. Its files are artifacts of the task, by the names given here.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// The film.
    pub video: Video,
    /// The still picture that stands for it.
    pub thumbnail: Thumbnail,
    /// What is said, as subtitles. They are in the picture too.
    pub captions: Captions,
    /// How many scenes it has.
    pub scenes: usize,
    /// From the start of the render to its end.
    pub generation_time_ms: u64,
    /// What the render took.
    pub stats: Stats,
    /// What it cost.
    pub cost: Cost,
    /// What is not as it was asked for.
    pub warnings: Vec<String>,
}

/// A film.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Video {
    /// The artifact.
    pub name: String,
    /// `mp4`, `webm` or `gif`.
    pub format: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: f64,
    /// How many pictures.
    pub frames: u64,
    /// Its length.
    pub duration_ms: u64,
    /// `h264`, for instance.
    pub video_codec: String,
    /// `aac`, for instance; absent where the format has no sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Integrated loudness by EBU R 128, in LUFS; absent when nothing is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f32>,
    /// Of the file.
    pub size_bytes: u64,
}

/// A still picture.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Thumbnail {
    /// The artifact.
    pub name: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the file.
    pub size_bytes: u64,
}

/// Subtitles.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Captions {
    /// The artifact, a SubRip file.
    pub name: String,
    /// The same as WebVTT, for players of the web.
    pub web_name: String,
    /// How many there are.
    pub cues: u32,
    /// Their language, when the input says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What a render took.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Stats {
    /// CPU time of all cores.
    pub cpu_ms: u64,
    /// The most memory at one time, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<u64>,
    /// Frames drawn and encoded per second.
    pub render_fps: f32,
    /// Until the first picture: fonts, layout, sound.
    pub prepare_ms: u64,
    /// For pictures, drawn and encoded.
    pub pictures_ms: u64,
    /// The families of the letters in the picture.
    pub fonts: Vec<String>,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Cost {
    /// A decimal number.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
}

impl Output {
    pub(super) fn new(
        language: Option<String>,
        format: Format,
        scenes: usize,
        rendered: Rendered,
        mut warnings: Vec<String>,
    ) -> Self {
        let Rendered { video, thumbnail, caption_cues, stats, warnings: more } = rendered;
        warnings.extend(more);
        Self {
            video: Video {
                name: format.file().to_owned(),
                format: format.name().to_owned(),
                width: video.width_px,
                height: video.height_px,
                fps: video.fps,
                frames: video.frames,
                duration_ms: video.duration_ms,
                video_codec: video.video_codec,
                audio_codec: video.audio_codec,
                loudness_lufs: video.loudness_lufs,
                size_bytes: video.size_bytes,
            },
            thumbnail: Thumbnail {
                name: THUMBNAIL_FILE.to_owned(),
                width: thumbnail.width_px,
                height: thumbnail.height_px,
                size_bytes: thumbnail.size_bytes,
            },
            captions: Captions {
                name: CAPTIONS_FILE.to_owned(),
                web_name: WEB_CAPTIONS_FILE.to_owned(),
                cues: caption_cues,
                language,
            },
            scenes,
            generation_time_ms: stats.wall_ms,
            stats: Stats {
                cpu_ms: stats.cpu_ms,
                peak_rss_bytes: stats.peak_rss_bytes,
                render_fps: stats.render_fps,
                prepare_ms: stats.prepare_ms,
                pictures_ms: stats.pictures_ms,
                fonts: stats.fonts,
            },
            // It is made on the operator's own machine: nobody is paid for it.
            cost: Cost { amount: "0.00".to_owned(), currency: "USD".to_owned() },
            warnings,
        }
    }
}
