//! What a clip shows or plays.

use std::{borrow::Cow, fmt};

use jobs_core::port::video::{Color, Mood};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{one, schema};

/// What a clip shows or plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(inline, transform = schema::by_type)]
pub enum Asset {
    /// Words.
    Text(Text),
    /// Words in a size that has a name.
    Title(Title),
    /// A picture: PNG, JPEG, WebP or GIF.
    Image(Image),
    /// A film: MP4, MOV, WebM or Matroska.
    Video(Video),
    /// Sound: MP3, AAC, WAV, FLAC, Ogg.
    Audio(Audio),
    /// One colour.
    Color(Plain),
    /// From one colour to another.
    Gradient(Gradient),
    /// A rectangle, a circle or a line.
    Shape(Shape),
    /// What is said, cue by cue, the word that is said marked.
    Caption(Caption),
}

impl Asset {
    /// The file that it needs.
    pub(super) fn src(&self) -> Option<&Src> {
        match self {
            Self::Image(Image { src }) | Self::Video(Video { src, .. }) | Self::Audio(Audio { src, .. }) => Some(src),
            _ => None,
        }
    }

    /// Where in its file it starts, in seconds.
    pub(super) fn trim(&self) -> f64 {
        match self {
            Self::Video(Video { trim, .. }) | Self::Audio(Audio { trim, .. }) => *trim,
            _ => 0.0,
        }
    }
}

/// Where a file is: an `https:` or `http:` URL, or a `data:` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Src(#[schemars(length(min = 1, max = 400_000))] String);

impl Src {
    pub(in crate::video_generate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The mood of music that is made, where the source is no file.
    pub(super) fn mood(&self) -> Option<Result<Mood, String>> {
        let name = self.0.strip_prefix("generator:")?;
        Some(match name {
            "confident" => Ok(Mood::Confident),
            "warm" => Ok(Mood::Warm),
            "driving" => Ok(Mood::Driving),
            "still" => Ok(Mood::Still),
            "tense" => Ok(Mood::Tense),
            _ => Err("must be generator:confident, :warm, :driving, :still or :tense".to_owned()),
        })
    }

    /// How it is called in what people read: not by all of its data.
    pub(in crate::video_generate) fn short(&self) -> String {
        let short: String = self.0.chars().take(80).collect();
        if short.len() < self.0.len() { short + "…" } else { short }
    }
}

/// A colour, written `#rgb`, `#rrggbb` or `#rrggbbaa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub(super) Color);

impl Hex {
    pub(super) const WHITE: Self = Self(Color::rgb(0xff_ffff));

    pub(super) fn faded(self, opacity: f32) -> Color {
        self.0.alpha((f32::from(self.0.a) * opacity.clamp(0.0, 1.0)).round() as u8)
    }
}

impl Default for Hex {
    fn default() -> Self {
        Self(Color::rgb(0))
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Hex> for String {
    fn from(color: Hex) -> Self {
        color.to_string()
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let short = text.strip_prefix('#').filter(|digits| digits.len() == 3 && digits.is_ascii());
        let long = short.map(|digits| digits.chars().flat_map(|digit| [digit, digit]).collect::<String>());
        Color::try_from(long.map_or(text, |digits| format!("#{digits}"))).map(Self)
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$" })
    }
}

/// Words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Text {
    /// What is written. It is set as large as it fits, on lines of even length.
    #[schemars(length(min = 1, max = 5000))]
    pub text: String,
    /// The letters.
    #[serde(default)]
    pub font: Letters,
    /// Lines are at most so long, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8000))]
    pub width: Option<f32>,
    /// The height of the box that `alignment.vertical` means, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8000))]
    pub height: Option<f32>,
    /// At most so many lines; smaller letters when there would be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 40))]
    pub max_lines: Option<u32>,
    /// What they stand on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Plate>,
    /// Where lines start, and where in its box the text stands.
    #[serde(default)]
    pub alignment: Alignment,
    /// The outline of the letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stroke: Option<Stroke>,
    /// How strong a soft shadow is, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub shadow: f32,
    /// How the lines come, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

/// The letters of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Letters {
    /// `Inter`, `Inter Display`, or a family of `timeline.fonts`.
    #[schemars(length(min = 1, max = 100))]
    pub family: String,
    /// In pixels.
    #[schemars(range(min = 4, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<f32>,
    /// Of the letters.
    pub color: Hex,
    /// 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub opacity: f32,
    /// 100 (thin) to 900 (black).
    #[schemars(range(min = 100, max = 900))]
    pub weight: u16,
    /// From line to line, as a multiple of the size.
    #[schemars(range(min = 0.5, max = 4))]
    pub line_height: f32,
    /// Added between letters, as a multiple of the size.
    #[schemars(range(min = -0.2, max = 1))]
    pub letter_spacing: f32,
}

impl Default for Letters {
    fn default() -> Self {
        Self {
            family: "Inter Display".to_owned(),
            size: None,
            color: Hex::WHITE,
            opacity: 1.0,
            weight: 700,
            line_height: 1.12,
            letter_spacing: -0.01,
        }
    }
}

/// What words stand on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Plate {
    /// Filled with.
    pub color: Hex,
    /// 0 to 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub opacity: f32,
    /// From the words to its edge, in pixels.
    #[serde(default)]
    #[schemars(range(min = 0, max = 500))]
    pub padding: f32,
    /// Of its corners, in pixels.
    #[serde(default)]
    #[schemars(range(min = 0, max = 500))]
    pub border_radius: f32,
}

/// Where lines start, and where in its box the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Alignment {
    /// Where lines start.
    pub horizontal: Horizontal,
    /// Where the text stands.
    pub vertical: Vertical,
}

/// Where lines start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Horizontal {
    Left,
    #[default]
    Center,
    Right,
}

/// Where a text stands in its box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Vertical {
    Top,
    #[default]
    Center,
    Bottom,
}

/// An outline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Stroke {
    /// Drawn with.
    pub color: Hex,
    /// In pixels.
    #[schemars(range(min = 0, max = 100))]
    pub width: f32,
}

/// How the lines of a text come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Animation {
    /// Out of nothing.
    Fade,
    /// Out of nothing and a little upwards.
    FadeUp,
    /// Up from behind an edge.
    Rise,
    /// Growing past their size and back.
    Pop,
    /// In from the left.
    FromLeft,
    /// In from the right.
    FromRight,
    /// Uncovered from the left.
    GrowRight,
}

/// Words in a size that has a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Title {
    /// What is written.
    #[schemars(length(min = 1, max = 5000))]
    pub text: String,
    /// Of the letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Hex>,
    /// How large they are.
    #[serde(default)]
    pub size: TitleSize,
    /// Behind the letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Hex>,
    /// Its look; every name gives the same one here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub style: Option<String>,
}

/// The names of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum TitleSize {
    XxSmall,
    XSmall,
    Small,
    #[default]
    Medium,
    Large,
    XLarge,
    XxLarge,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Image {
    /// Where it is.
    pub src: Src,
}

/// A film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Video {
    /// Where it is.
    pub src: Src,
    /// So many seconds of its beginning are left out.
    #[serde(default)]
    #[schemars(range(min = 0, max = 36000))]
    pub trim: f64,
    /// How loud its sound is; 0 is silent.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 4))]
    pub volume: f32,
    /// How its sound begins and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_effect: Option<SoundEffect>,
}

/// Sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Audio {
    /// Where it is.
    pub src: Src,
    /// So many seconds of its beginning are left out.
    #[serde(default)]
    #[schemars(range(min = 0, max = 36000))]
    pub trim: f64,
    /// As a factor.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 4))]
    pub volume: f32,
    /// How it begins and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<SoundEffect>,
}

/// How sound begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SoundEffect {
    None,
    FadeIn,
    FadeOut,
    FadeInFadeOut,
}

impl SoundEffect {
    /// Milliseconds of fading in and out.
    pub(super) fn fades_ms(effect: Option<Self>) -> (u32, u32) {
        const FADE_MS: u32 = 1500;
        match effect {
            None | Some(Self::None) => (0, 0),
            Some(Self::FadeIn) => (FADE_MS, 0),
            Some(Self::FadeOut) => (0, FADE_MS),
            Some(Self::FadeInFadeOut) => (FADE_MS, FADE_MS),
        }
    }
}

/// One colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Plain {
    /// The colour.
    pub color: Hex,
}

/// From one colour to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Gradient {
    /// From and to.
    pub colors: [Hex; 2],
    /// 0 is left to right, 90 top to bottom.
    #[serde(default)]
    #[schemars(range(min = -360, max = 360))]
    pub angle: f32,
}

/// A rectangle, a circle or a line; its measures are pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Shape {
    /// Which.
    pub shape: Form,
    /// The measures of a rectangle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rectangle: Option<Rectangle>,
    /// The measure of a circle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circle: Option<Circle>,
    /// The measures of a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
    /// What it is filled with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// Its outline: circles only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stroke: Option<Stroke>,
}

/// The forms of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Form {
    Rectangle,
    Circle,
    Line,
}

/// The measures of a rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Rectangle {
    /// To the right.
    #[schemars(range(min = 1, max = 8000))]
    pub width: f32,
    /// Downwards.
    #[schemars(range(min = 1, max = 8000))]
    pub height: f32,
    /// Of the corners.
    #[serde(default)]
    #[schemars(range(min = 0, max = 4000))]
    pub corner_radius: f32,
}

/// The measure of a circle.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Circle {
    /// Half its width.
    #[schemars(range(min = 1, max = 4000))]
    pub radius: f32,
}

/// The measures of a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Line {
    /// From end to end.
    #[schemars(range(min = 1, max = 8000))]
    pub length: f32,
    /// Across.
    #[schemars(range(min = 0.5, max = 1000))]
    pub thickness: f32,
}

/// What a shape is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Fill {
    /// The colour.
    pub color: Hex,
    /// 0 to 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub opacity: f32,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Caption {
    /// All of it: it is cut into cues of one or two lines, timed by their letters.
    #[schemars(length(min = 1, max = 5000))]
    pub text: String,
    /// How it looks.
    #[serde(default)]
    pub style: CaptionLook,
    /// Of the letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<Hex>,
    /// Of the word that is said, or of the box behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highlight: Option<Hex>,
    /// Behind the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Hex>,
}

/// How captions look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CaptionLook {
    /// A box behind the word that is said.
    BoxedWord,
    /// Lines on a dark box.
    #[default]
    Classic,
    /// The word that is said in another colour, without a box.
    Karaoke,
}

/// What fills the picture of a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(inline, transform = schema::by_type)]
pub enum Background {
    /// One colour.
    Color(Plain),
    /// From one colour to another.
    Gradient(Gradient),
    /// A picture.
    Image(MediaBackground),
    /// A film, without its sound.
    Video(MediaBackground),
}

impl Background {
    pub(super) fn src(&self) -> Option<&Src> {
        match self {
            Self::Image(media) | Self::Video(media) => Some(&media.src),
            Self::Color(_) | Self::Gradient(_) => None,
        }
    }
}

/// A picture or a film that fills a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct MediaBackground {
    /// Where it is.
    pub src: Src,
    /// How it fills the picture.
    #[serde(default)]
    pub fit: super::clip::Fit,
    /// How it moves meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<super::clip::Effect>,
    /// What is done to its colours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<super::clip::Filter>,
}
