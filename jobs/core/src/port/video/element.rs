//! What can be on a picture: grounds, shapes, words, and how they come and move.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MediaBox, Motion};

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
    /// The first frame on which it is gone; none when it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_frame: Option<u32>,
    /// What changes of it, besides.
    #[serde(default, skip_serializing_if = "Motion::is_still")]
    pub motion: Motion,
}

impl Element {
    /// `shape`, there from the start and still.
    pub fn still(shape: Shape) -> Self {
        Self {
            shape,
            start_frame: 0,
            enter: Enter::Cut,
            enter_frames: 0,
            drift: Drift::Still,
            end_frame: None,
            motion: Motion::default(),
        }
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
    /// A rectangle of two colours, perhaps with round corners.
    Gradient {
        /// Top left corner.
        at: Point,
        /// To the right.
        width_u: f32,
        /// Downwards.
        height_u: f32,
        /// Of the corners.
        radius_u: f32,
        /// Where it starts.
        from: Color,
        /// Where it ends.
        to: Color,
        /// 0 is left to right, 90 top to bottom.
        angle_deg: f32,
    },
    /// A picture or a film of a source.
    Media(MediaBox),
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
    /// The name of a family of the film's own fonts, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typeface: Option<String>,
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
    /// What they stand on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// The outline of the letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
}

/// What words stand on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plate {
    /// Filled with.
    pub color: Color,
    /// From the words to its edge.
    pub padding_u: f32,
    /// Of its corners.
    pub radius_u: f32,
}

/// The outline of letters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// Drawn with.
    pub color: Color,
    /// How wide.
    pub width_u: f32,
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
}
