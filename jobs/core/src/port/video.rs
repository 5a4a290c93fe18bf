//! What a film is, and the engine that renders one.
//!
//! A [`Film`] says everything that a viewer sees and hears, in plain data: the same data always give the same
//! files. It knows nothing of codecs' libraries; an engine behind [`VideoEngine`] turns it into files.
//!
//! Lengths on the picture are in *units* (suffix `_u`): the shorter side of the picture is [`SHORT_SIDE_U`] units long,
//! whatever its pixels, and the origin is the top left corner. Times are frames of the film, so that no rounding is left
//! to the engine.

mod element;
mod film;
mod motion;
mod report;
mod sound;
mod source;

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use element::{
    Align, Background, Color, Drift, Element, Enter, Family, Outline, Plate, Point, Shape, TextBox, Valign,
};
pub use film::{
    CaptionStyle, Cue, Film, Format, Quality, Scene, ThumbnailSpec, Transition, TransitionKind, VideoSpec, Word,
};
pub use motion::{Curve, Ease, Edge, Key, Motion, Pose, Reveal};
pub use report::{
    RenderError, RenderFault, RenderLine, RenderPhase, RenderProgress, RenderStats, Rendered, ThumbnailFacts,
    VideoFacts,
};
pub use sound::{Mood, Music, Sound, SoundClip, Tune};
pub use source::{Filter, Fit, MediaBox, PictureFacts, Source, SourceFacts};

/// How many units the shorter side of every picture has.
pub const SHORT_SIDE_U: f32 = 1080.0;

/// The name of the still picture in the directory of a render.
pub const THUMBNAIL_FILE: &str = "thumbnail.jpg";
/// The name of the subtitles in the directory of a render.
pub const CAPTIONS_FILE: &str = "captions.srt";
/// The name of the same subtitles as players of the web read them.
pub const WEB_CAPTIONS_FILE: &str = "captions.vtt";
/// The name of many small pictures of the film on one sheet.
pub const SHEET_FILE: &str = "sheet.png";

/// Renders films.
pub trait VideoEngine: Send + Sync {
    /// Renders `request.film` into files of `request.dir`.
    ///
    /// Dropping the future, or cancelling the token, ends the render and whatever process it uses; no file of an unfinished
    /// film is left.
    fn render<'a>(
        &'a self,
        request: RenderRequest,
        sink: &'a dyn RenderSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Rendered, RenderError>>;

    /// Says what is in each of the sources, in their order. One that cannot be used, or is more than may be used, is
    /// [`RenderFault::AssetInvalid`], by its name. `dir` is an existing directory that the engine may use.
    fn inspect<'a>(
        &'a self,
        sources: Vec<Source>,
        dir: PathBuf,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<SourceFacts>, RenderError>>;

    /// Draws pictures of the film, evenly spread, on one sheet: [`SHEET_FILE`] in `request.dir`.
    fn sheet<'a>(
        &'a self,
        request: SheetRequest,
        sink: &'a dyn RenderSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<(), RenderError>>;
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
    pub film: Film,
    /// An existing directory for the files, which the engine may fill and does not remove.
    pub dir: PathBuf,
}

/// Pictures of a film, on one sheet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetRequest {
    /// What the film is.
    pub film: Film,
    /// An existing directory for the sheet.
    pub dir: PathBuf,
    /// How many pictures stand beside each other.
    pub columns: u32,
    /// How many pictures.
    pub pictures: u32,
    /// The width of a picture in pixels.
    pub width_px: u32,
}

/// What a render process is asked to do: one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderJob {
    /// A film.
    Render(RenderRequest),
    /// A sheet of pictures.
    Sheet(SheetRequest),
    /// A look at sources.
    Inspect(InspectRequest),
}

/// Sources to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The sources.
    pub sources: Vec<Source>,
    /// An existing directory that may be used.
    pub dir: PathBuf,
}
