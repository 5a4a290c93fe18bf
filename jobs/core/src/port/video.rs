//! What a film is, and the engine that renders one.
//!
//! A [`Timeline`] says everything that a viewer sees and hears, in plain data: the same timeline always gives the same
//! film. It knows nothing of codecs' libraries; an engine behind [`VideoEngine`] turns it into files.
//!
//! Lengths on the picture are in *units* (suffix `_u`): the shorter side of the picture is [`SHORT_SIDE_U`] units long,
//! whatever its pixels, and the origin is the top left corner. Times are frames of the film, so that no rounding is left
//! to the engine.

mod element;
mod report;
mod timeline;

use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use element::{Align, Background, Color, Drift, Element, Enter, Family, Point, Shape, TextBox, Valign};
pub use report::{
    RenderError, RenderFault, RenderLine, RenderPhase, RenderProgress, RenderStats, Rendered, ThumbnailFacts,
    VideoFacts,
};
pub use timeline::{
    CaptionStyle, Cue, Mood, Quality, Scene, Soundtrack, ThumbnailSpec, Timeline, Transition, TransitionKind,
    VideoSpec, Word,
};

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
