//! What an engine tells: progress, the finished film, or why there is none.

use serde::{Deserialize, Serialize};

use super::SourceFacts;

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
    /// The film, in [`Format::file`](super::Format::file).
    pub video: VideoFacts,
    /// The still picture, in [`THUMBNAIL_FILE`](super::THUMBNAIL_FILE).
    pub thumbnail: ThumbnailFacts,
    /// The number of cues in [`CAPTIONS_FILE`](super::CAPTIONS_FILE).
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
    /// `aac`, for instance; none where the format has no sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Integrated loudness of the soundtrack, in LUFS; none when nothing is heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f32>,
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
    /// Of this, until the first picture: fonts, layout, sound.
    #[serde(default)]
    pub prepare_ms: u64,
    /// Of this, for pictures.
    #[serde(default)]
    pub pictures_ms: u64,
    /// The families of the letters that were drawn.
    #[serde(default)]
    pub fonts: Vec<String>,
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
    /// The process of the engine was killed from outside, as a kernel does that has no memory left.
    Killed,
    /// It needed more memory than an attempt may have.
    MemoryLimit,
    /// It wrote more than an attempt may.
    DiskLimit,
    /// There is no room left where it writes.
    DiskFull,
    /// The film says something that cannot be drawn.
    TimelineInvalid,
    /// A source is broken, of no kind that is known, or larger than may be.
    AssetInvalid,
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
            Self::Killed => "killed",
            Self::MemoryLimit => "memory_limit",
            Self::DiskLimit => "disk_limit",
            Self::DiskFull => "disk_full",
            Self::TimelineInvalid => "timeline_invalid",
            Self::AssetInvalid => "asset_invalid",
        }
    }

    /// Whether another attempt, perhaps on another worker, may well succeed. The limits of an attempt are the same for the next one.
    pub fn retryable(self) -> bool {
        !matches!(
            self,
            Self::RenderCancelled | Self::TimelineInvalid | Self::AssetInvalid | Self::MemoryLimit | Self::DiskLimit
        )
    }
}

/// One line that a render process writes: any number of `progress` and `log`, then one of the others.
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
    /// The sheet is there.
    Drawn,
    /// What is in the sources.
    Facts(Vec<SourceFacts>),
    /// There will be none.
    Error(RenderError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_render_process_are_objects_of_one_key() {
        let line = RenderLine::Error(RenderError::new(RenderFault::RenderStalled, "no sign of life"));
        let json = serde_json::to_string(&line).expect("json");
        assert_eq!(json, r#"{"error":{"code":"render_stalled","message":"no sign of life","retryable":true}}"#);
        assert_eq!(serde_json::from_str::<RenderLine>(&json).expect("a line"), line);
    }
}
