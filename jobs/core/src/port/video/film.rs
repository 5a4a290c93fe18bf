//! A film as plain data: scenes, captions, sound.

use serde::{Deserialize, Serialize};

use super::{Background, Color, Element, Point, Sound, Source};

/// A film: scenes one after the other, what lies over all of them, captions and sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Film {
    /// The title in the metadata of the file.
    pub title: String,
    /// Size, rate and quality of the picture.
    pub output: VideoSpec,
    /// The files that it is made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Fonts of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fonts: Vec<Source>,
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
    pub sound: Sound,
    /// The still picture that stands for the film.
    pub thumbnail: ThumbnailSpec,
}

impl Film {
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
    /// What kind of file it becomes.
    #[serde(default)]
    pub format: Format,
}

/// What kind of file a film becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// H.264 and AAC in MP4: plays everywhere.
    #[default]
    Mp4,
    /// VP9 and Opus in WebM.
    Webm,
    /// Pictures alone, in few colours.
    Gif,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mp4, Self::Webm, Self::Gif];

    /// Its name, which is also how its files end.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Webm => "webm",
            Self::Gif => "gif",
        }
    }

    /// The name of the film in the directory of a render.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Mp4 => "video.mp4",
            Self::Webm => "video.webm",
            Self::Gif => "video.gif",
        }
    }

    /// Its media type (RFC 6838).
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::Webm => "video/webm",
            Self::Gif => "image/gif",
        }
    }
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

/// Which picture stands for the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThumbnailSpec {
    /// The frame of the film.
    pub frame: u32,
    /// Its width; the height follows. Never larger than the film.
    pub width_px: u32,
}
