//! A clip: when, where and how an asset is seen.

use std::borrow::Cow;

use jobs_core::port::video::{self, Ease};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Asset, one, schema};

/// When, where and how an asset is seen. Times are seconds, measures pixels of the film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Clip {
    /// What it shows or plays.
    pub asset: Asset,
    /// When it begins: a time, or `auto`, after the clip before it on its track (in a scene, at its start).
    #[serde(default)]
    pub start: Start,
    /// How long it lasts: a time; `auto`, as long as its asset; `end`, until the film or its scene ends.
    #[serde(default)]
    pub length: Length,
    /// How a picture fills its frame.
    #[serde(default)]
    pub fit: Fit,
    /// The size, as a factor.
    #[serde(default = "one")]
    #[schemars(range(min = 0.01, max = 10))]
    pub scale: f32,
    /// The width of its frame, in pixels; else that of the film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8000))]
    pub width: Option<f32>,
    /// The height of its frame, in pixels; else that of the film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8000))]
    pub height: Option<f32>,
    /// Of its corners, in pixels.
    #[serde(default)]
    #[schemars(range(min = 0, max = 4000))]
    pub radius: f32,
    /// Where on the picture it is.
    #[serde(default)]
    pub position: Position,
    /// How far from there, as shares of the film's width and height; upwards is positive.
    #[serde(default)]
    pub offset: Offset,
    /// 0 to 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub opacity: f32,
    /// How it is turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// How it moves meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// How it comes and goes.
    #[serde(default)]
    pub transition: Transitions,
    /// What is done to the colours of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What changes when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyframes: Option<Keyframes>,
}

/// When a clip begins.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Start {
    /// At this time, in seconds.
    At(f64),
    /// After the clip before.
    #[default]
    #[serde(with = "auto")]
    Auto,
}

/// How long a clip lasts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Length {
    /// So many seconds.
    For(f64),
    /// As long as its asset.
    #[default]
    #[serde(with = "auto")]
    Auto,
    /// Until the end of the film.
    #[serde(with = "end")]
    End,
}

/// A word, for a variant that is written as one.
macro_rules! word {
    ($name:ident, $word:literal) => {
        mod $name {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
                let word = String::deserialize(deserializer)?;
                if word == $word { Ok(()) } else { Err(D::Error::custom(concat!("not ", $word))) }
            }
        }
    };
}
word!(auto, "auto");
word!(end, "end");

impl JsonSchema for Start {
    fn schema_name() -> Cow<'static, str> {
        "Start".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::number_or(&["auto"], 0.0, 600.0)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::number_or(&["auto", "end"], 0.02, 600.0)
    }
}

/// How a picture fills its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Fit {
    /// It fills the frame; what stands over is cut off.
    #[default]
    Crop,
    /// It is pulled to the shape of the frame.
    Cover,
    /// All of it is seen.
    Contain,
    /// All of it is seen, before a blurred copy of itself that fills the frame.
    ContainBlur,
    /// It keeps its own size.
    None,
}

/// A place on the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Position {
    Top,
    TopRight,
    Right,
    BottomRight,
    Bottom,
    BottomLeft,
    Left,
    TopLeft,
    #[default]
    Center,
}

impl Position {
    /// -1 (left, top), 0 or 1 (right, bottom).
    pub(super) fn sides(self) -> (f32, f32) {
        let x = match self {
            Self::Left | Self::TopLeft | Self::BottomLeft => -1.0,
            Self::Right | Self::TopRight | Self::BottomRight => 1.0,
            Self::Top | Self::Bottom | Self::Center => 0.0,
        };
        let y = match self {
            Self::Top | Self::TopLeft | Self::TopRight => -1.0,
            Self::Bottom | Self::BottomLeft | Self::BottomRight => 1.0,
            Self::Left | Self::Right | Self::Center => 0.0,
        };
        (x, y)
    }
}

/// How far from a place, as shares of the film's width and height.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Offset {
    /// To the right.
    #[schemars(range(min = -10, max = 10))]
    pub x: f32,
    /// Upwards.
    #[schemars(range(min = -10, max = 10))]
    pub y: f32,
}

/// How a clip is turned.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Transform {
    /// Around its middle.
    pub rotate: Rotate,
}

/// A turn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Rotate {
    /// In degrees, clockwise.
    #[schemars(range(min = -3600, max = 3600))]
    pub angle: f32,
}

/// How a clip moves while it is seen: a picture within its frame, anything else with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Effect {
    ZoomIn,
    ZoomInSlow,
    ZoomInFast,
    ZoomOut,
    ZoomOutSlow,
    ZoomOutFast,
    SlideLeft,
    SlideLeftSlow,
    SlideLeftFast,
    SlideRight,
    SlideRightSlow,
    SlideRightFast,
    SlideUp,
    SlideUpSlow,
    SlideUpFast,
    SlideDown,
    SlideDownSlow,
    SlideDownFast,
}

/// How a clip comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Transitions {
    /// How it comes.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub enter: Option<Transition>,
    /// How it goes.
    #[serde(rename = "out", skip_serializing_if = "Option::is_none")]
    pub leave: Option<Transition>,
}

/// Ways to come and to go, in a second; `slow` ones in two, `fast` ones in half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Transition {
    None,
    Fade,
    FadeSlow,
    FadeFast,
    Reveal,
    RevealSlow,
    RevealFast,
    WipeLeft,
    WipeLeftSlow,
    WipeLeftFast,
    WipeRight,
    WipeRightSlow,
    WipeRightFast,
    WipeUp,
    WipeUpSlow,
    WipeUpFast,
    WipeDown,
    WipeDownSlow,
    WipeDownFast,
    SlideLeft,
    SlideLeftSlow,
    SlideLeftFast,
    SlideRight,
    SlideRightSlow,
    SlideRightFast,
    SlideUp,
    SlideUpSlow,
    SlideUpFast,
    SlideDown,
    SlideDownSlow,
    SlideDownFast,
    CarouselLeft,
    CarouselLeftSlow,
    CarouselLeftFast,
    CarouselRight,
    CarouselRightSlow,
    CarouselRightFast,
    CarouselUp,
    CarouselUpSlow,
    CarouselUpFast,
    CarouselDown,
    CarouselDownSlow,
    CarouselDownFast,
    Zoom,
    ZoomSlow,
    ZoomFast,
}

/// Colours of a picture, changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Filter {
    None,
    Boost,
    Contrast,
    Darken,
    Greyscale,
    Lighten,
    Muted,
    Negative,
    Blur,
}

impl Filter {
    pub(super) fn of(filter: Option<Self>) -> Option<video::Filter> {
        Some(match filter? {
            Self::None => return None,
            Self::Boost => video::Filter::Boost,
            Self::Contrast => video::Filter::Contrast,
            Self::Darken => video::Filter::Darken,
            Self::Greyscale => video::Filter::Greyscale,
            Self::Lighten => video::Filter::Lighten,
            Self::Muted => video::Filter::Muted,
            Self::Negative => video::Filter::Negative,
            Self::Blur => video::Filter::Blur,
        })
    }
}

/// What changes when: lists of `[time, value]` or `[time, value, easing]`, the time in seconds from the start of the clip.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Keyframes {
    /// To the right of its place, as a share of the film's width.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub x: Vec<Keyframe>,
    /// Above its place, as a share of the film's height.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub y: Vec<Keyframe>,
    /// The size, as a factor.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub scale: Vec<Keyframe>,
    /// In degrees, clockwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub rotation: Vec<Keyframe>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub opacity: Vec<Keyframe>,
}

impl Keyframes {
    /// Each list with its name, and the values that it may have.
    pub(super) fn lists(&self) -> [(&'static str, &[Keyframe], std::ops::RangeInclusive<f32>); 5] {
        [
            ("x", &self.x, -10.0..=10.0),
            ("y", &self.y, -10.0..=10.0),
            ("scale", &self.scale, 0.0..=10.0),
            ("rotation", &self.rotation, -3600.0..=3600.0),
            ("opacity", &self.opacity, 0.0..=1.0),
        ]
    }
}

/// A value at a time, and how it gets there from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Keyframe {
    /// Evenly.
    Even(f64, f32),
    /// In some other way.
    Eased(f64, f32, Easing),
}

impl Keyframe {
    /// Time, value and easing.
    pub(super) fn parts(self) -> (f64, f32, Ease) {
        match self {
            Self::Even(time, value) => (time, value, Ease::Linear),
            Self::Eased(time, value, easing) => (time, value, easing.into()),
        }
    }
}

impl JsonSchema for Keyframe {
    fn schema_name() -> Cow<'static, str> {
        "Keyframe".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let easing = generator.subschema_for::<Easing>();
        json_schema!({
            "type": "array", "minItems": 2, "maxItems": 3,
            "prefixItems": [{ "type": "number", "minimum": 0, "maximum": 600 }, { "type": "number" }, easing],
        })
    }
}

/// How a value changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Easing {
    Linear,
    EaseIn,
    EaseOut,
    EaseInOut,
    EaseOutBack,
    Hold,
}

impl From<Easing> for Ease {
    fn from(easing: Easing) -> Self {
        match easing {
            Easing::Linear => Self::Linear,
            Easing::EaseIn => Self::In,
            Easing::EaseOut => Self::Out,
            Easing::EaseInOut => Self::InOut,
            Easing::EaseOutBack => Self::OutBack,
            Easing::Hold => Self::Hold,
        }
    }
}

/// How a scene takes over from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct SceneTransition {
    /// What it looks like.
    #[serde(rename = "type")]
    pub kind: SceneChange,
    /// How long it takes, in seconds.
    #[serde(default = "half")]
    #[schemars(range(min = 0.05, max = 5))]
    pub duration: f64,
}

fn half() -> f64 {
    0.5
}

/// What the change from a scene to the next looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SceneChange {
    /// One fades into the other.
    Crossfade,
    /// The old one fades to black, the new one out of it.
    ThroughBlack,
    /// The new one pushes the old one out to the left.
    SlideLeft,
    /// The new one pushes the old one out at the top.
    SlideUp,
    /// A slanted edge uncovers the new one from the left.
    Wipe,
    /// A growing circle uncovers the new one.
    CircleOpen,
}

impl From<SceneChange> for video::TransitionKind {
    fn from(change: SceneChange) -> Self {
        match change {
            SceneChange::Crossfade => Self::Crossfade,
            SceneChange::ThroughBlack => Self::ThroughBlack,
            SceneChange::SlideLeft => Self::SlideLeft,
            SceneChange::SlideUp => Self::SlideUp,
            SceneChange::Wipe => Self::Wipe,
            SceneChange::CircleOpen => Self::Circle,
        }
    }
}
