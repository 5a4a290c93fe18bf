//! Size, rate, format and quality of a film from a timeline.

use jobs_core::port::video::{Format, ThumbnailSpec, VideoSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Size, rate, format and quality. The size is `size`, or follows from `resolution` and `aspect_ratio`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct TimelineOutput {
    /// What kind of file it becomes.
    pub format: Kind,
    /// How large the picture is.
    pub resolution: Resolution,
    /// Its shape.
    pub aspect_ratio: AspectRatio,
    /// Its size, whatever the resolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Frames per second.
    #[schemars(range(min = 10, max = 60))]
    pub fps: u32,
    /// How much work goes into the picture.
    pub quality: OutputQuality,
    /// Whether nothing is heard.
    pub mute: bool,
    /// Loudness in LUFS.
    #[schemars(range(min = -31, max = -9))]
    pub loudness: f32,
    /// The picture that stands for the film.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poster: Option<Still>,
}

impl Default for TimelineOutput {
    fn default() -> Self {
        Self {
            format: Kind::Mp4,
            resolution: Resolution::Hd,
            aspect_ratio: AspectRatio::Wide,
            size: None,
            fps: 25,
            quality: OutputQuality::Medium,
            mute: false,
            loudness: -14.0,
            poster: None,
        }
    }
}

/// What kind of file a film becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Kind {
    /// H.264 and AAC: plays everywhere.
    Mp4,
    /// VP9 and Opus.
    Webm,
    /// Pictures alone, in few colours.
    Gif,
}

impl From<Kind> for Format {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Mp4 => Self::Mp4,
            Kind::Webm => Self::Webm,
            Kind::Gif => Self::Gif,
        }
    }
}

/// How large a picture is: the pixels of one of 16:9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Resolution {
    /// 512 x 288.
    #[serde(rename = "preview")]
    Preview,
    /// 640 x 360.
    #[serde(rename = "mobile")]
    Mobile,
    /// 1024 x 576.
    #[serde(rename = "sd")]
    Sd,
    /// 1280 x 720.
    #[serde(rename = "hd")]
    Hd,
    /// 1920 x 1080.
    #[serde(rename = "1080")]
    FullHd,
    /// 3840 x 2160.
    #[serde(rename = "4k")]
    Uhd,
}

/// The shape of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum AspectRatio {
    /// Wide.
    #[serde(rename = "16:9")]
    Wide,
    /// Upright.
    #[serde(rename = "9:16")]
    Upright,
    /// Square.
    #[serde(rename = "1:1")]
    Square,
    /// A little upright.
    #[serde(rename = "4:5")]
    Portrait,
    /// As old screens.
    #[serde(rename = "4:3")]
    Classic,
}

/// Pixels, even numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Size {
    /// To the right.
    #[schemars(range(min = 64, max = 3840), extend("multipleOf" = 2))]
    pub width: u32,
    /// Downwards.
    #[schemars(range(min = 64, max = 3840), extend("multipleOf" = 2))]
    pub height: u32,
}

/// How much work goes into the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OutputQuality {
    /// For a preview.
    Draft,
    /// The same as `draft`.
    Low,
    /// For the web.
    Medium,
    /// For further editing.
    High,
}

/// A moment of the film.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Still {
    /// When, in seconds.
    #[schemars(range(min = 0, max = 600))]
    pub capture: f64,
}

const POSTER_WIDTH_PX: u32 = 1280;

impl TimelineOutput {
    /// Width and height in pixels.
    pub(super) fn size_px(&self) -> (u32, u32) {
        if let Some(Size { width, height }) = self.size {
            return (width, height);
        }
        let (long, short) = match self.resolution {
            Resolution::Preview => (512, 288),
            Resolution::Mobile => (640, 360),
            Resolution::Sd => (1024, 576),
            Resolution::Hd => (1280, 720),
            Resolution::FullHd => (1920, 1080),
            Resolution::Uhd => (3840, 2160),
        };
        match self.aspect_ratio {
            AspectRatio::Wide => (long, short),
            AspectRatio::Upright => (short, long),
            AspectRatio::Square => (short, short),
            AspectRatio::Portrait => (short, (short * 5 / 4) & !1),
            AspectRatio::Classic => ((short * 4 / 3) & !1, short),
        }
    }

    /// For the engine.
    pub(super) fn spec(&self) -> VideoSpec {
        use jobs_core::port::video::Quality;
        let (width_px, height_px) = self.size_px();
        let quality = match self.quality {
            OutputQuality::Draft | OutputQuality::Low => Quality::Draft,
            OutputQuality::Medium => Quality::Medium,
            OutputQuality::High => Quality::High,
        };
        VideoSpec { width_px, height_px, fps: self.fps, quality, format: self.format.into() }
    }

    /// The picture that stands for a film of so many frames: that of the asked moment, or one a third in.
    pub(super) fn thumbnail(&self, frames: u32) -> ThumbnailSpec {
        let asked = self.poster.map(|poster| (poster.capture * f64::from(self.fps)).round() as u32);
        let frame = asked.unwrap_or(frames / 3).min(frames.saturating_sub(1));
        ThumbnailSpec { frame, width_px: POSTER_WIDTH_PX }
    }
}
