//! Files that a film is made with: pictures, films, sound.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file that a film is made with. Whoever made it is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where it lies.
    pub path: PathBuf,
    /// What the client calls it: stands in what is said about it.
    pub name: String,
}

/// What is in a [`Source`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    /// How long it is, for what has a length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Its pictures, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<PictureFacts>,
    /// Whether it can be heard.
    pub has_sound: bool,
}

/// Pictures of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureFacts {
    /// Pixels, as they are seen.
    pub width_px: u32,
    /// Pixels, as they are seen.
    pub height_px: u32,
    /// Whether there are several, one after the other.
    pub moves: bool,
}

/// What is drawn of a source, and in which frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaBox {
    /// Its place in the sources of the film.
    pub source: usize,
    /// The top left corner of the frame.
    pub at: super::Point,
    /// Of the frame.
    pub width_u: f32,
    /// Of the frame.
    pub height_u: f32,
    /// How the picture fills the frame.
    pub fit: Fit,
    /// Of the frame's corners.
    #[serde(default)]
    pub radius_u: f32,
    /// What is done to its colours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Where in the source it starts, for what moves.
    #[serde(default)]
    pub from_ms: u32,
}

/// How a picture fills a frame of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It fills the frame; what stands over is not seen.
    Crop,
    /// It is pulled to the shape of the frame.
    Stretch,
    /// All of it is seen; the rest of the frame is empty.
    Contain,
    /// All of it is seen, before a large blurred copy of itself.
    ContainBlur,
    /// Its pixels are the film's.
    None,
}

/// What is done to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// More contrast, fuller colours.
    Boost,
    /// More contrast.
    Contrast,
    /// Darker.
    Darken,
    /// Grey.
    Greyscale,
    /// Brighter.
    Lighten,
    /// Paler.
    Muted,
    /// White is black.
    Negative,
    /// Out of focus.
    Blur,
}
