//! What is in a finished file, read back from it.

use std::path::Path;

use ffmpeg_next::{Dictionary, format, media};
use jobs_core::port::video::{RenderError, RenderFault, VideoFacts};

use crate::failure::failed;

/// Reads the facts of the film at `path`. The loudness is not looked for, it is what the caller measured.
pub(crate) fn facts(path: &Path, loudness_lufs: Option<f32>) -> Result<VideoFacts, RenderError> {
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "file");
    let input = format::input_with_dictionary(path, options).map_err(failed("read the film back"))?;
    let size_bytes = std::fs::metadata(path).map(|file| file.len()).unwrap_or_default();
    let duration_ms = u64::try_from(input.duration() / 1000).unwrap_or_default();
    let missing = |what| RenderError::new(RenderFault::EncodeFailed, format!("the film has no {what}"));
    let video = input.streams().best(media::Type::Video).ok_or_else(|| missing("pictures"))?;
    let audio = input.streams().best(media::Type::Audio);
    let context = ffmpeg_next::codec::context::Context::from_parameters(video.parameters());
    let decoder = context.and_then(|context| context.decoder().video()).map_err(failed("read the film back"))?;
    Ok(VideoFacts {
        width_px: decoder.width(),
        height_px: decoder.height(),
        fps: f64::from(video.avg_frame_rate()),
        frames: u64::try_from(video.frames()).unwrap_or_default(),
        duration_ms,
        video_codec: video.parameters().id().name().to_owned(),
        audio_codec: audio.map(|audio| audio.parameters().id().name().to_owned()),
        loudness_lufs,
        size_bytes,
    })
}
