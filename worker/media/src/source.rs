//! Files that clients named, opened with care: by a list of what may be in them, and within limits.
//!
//! Playlists, scripts and pictures that refer to other files are on no list, and `file` is the only protocol: what is in a file
//! cannot make this process open another one.

use std::fs;

use ffmpeg_next::{Dictionary, codec, decoder, format, media};
use jobs_core::port::video::{PictureFacts, RenderError, RenderFault, Source, SourceFacts};

use crate::ffi;

/// Containers that hold media and nothing else.
const FORMATS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,flac,ogg,aac,png_pipe,jpeg_pipe,webp_pipe,gif,bmp_pipe";

/// Decoders that are opened: widely used, and fuzzed for years.
const CODECS: [&str; 34] = [
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "libvpx",
    "libvpx-vp9",
    "av1",
    "libdav1d",
    "mpeg4",
    "mjpeg",
    "png",
    "webp",
    "gif",
    "bmp",
    "prores",
    "aac",
    "mp3",
    "mp3float",
    "opus",
    "libopus",
    "vorbis",
    "flac",
    "alac",
    "ac3",
    "eac3",
    "pcm_s16le",
    "pcm_s24le",
    "pcm_s32le",
    "pcm_f32le",
    "pcm_u8",
    "pcm_s16be",
    "pcm_s24be",
    "pcm_mulaw",
    "pcm_alaw",
];

/// The largest picture: 8192 x 4096, or as many pixels in another shape.
const MAX_PIXELS: i64 = 8192 * 4096;
const MAX_BYTES: u64 = 512 << 20;
const MAX_STREAMS: &str = "16";
const PROBE_BYTES: &str = "5000000";
const PROBE_MICROSECONDS: &str = "5000000";
/// More pictures a second are not meant to be seen.
const MAX_FPS: f64 = 240.0;

/// A fault of `source`, said with its name.
pub(crate) fn invalid(source: &Source, what: impl std::fmt::Display) -> RenderError {
    RenderError::new(RenderFault::AssetInvalid, format!("{}: {what}", source.name))
}

/// Opens a file.
pub(crate) fn open(source: &Source) -> Result<format::context::Input, RenderError> {
    let file =
        fs::symlink_metadata(&source.path).map_err(|error| invalid(source, format!("cannot be read: {error}")))?;
    if !file.is_file() {
        return Err(invalid(source, "is not a file"));
    }
    if file.len() > MAX_BYTES {
        return Err(invalid(source, format!("has {} bytes, more than {MAX_BYTES}", file.len())));
    }
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "file");
    options.set("format_whitelist", FORMATS);
    options.set("codec_whitelist", &CODECS.join(","));
    options.set("max_streams", MAX_STREAMS);
    options.set("probesize", PROBE_BYTES);
    options.set("analyzeduration", PROBE_MICROSECONDS);
    // References of QuickTime files to other files.
    options.set("enable_drefs", "0");
    format::input_with_dictionary(&source.path, options)
        .map_err(|error| invalid(source, format!("is broken, or of no kind that can be used: {error}")))
}

/// A decoder for a stream of it.
pub(crate) fn decoder(source: &Source, stream: &format::stream::Stream<'_>) -> Result<decoder::Decoder, RenderError> {
    let parameters = stream.parameters();
    let name = decoder::find(parameters.id()).map(|codec| codec.name().to_owned()).unwrap_or_default();
    if !CODECS.contains(&name.as_str()) {
        return Err(invalid(source, format!("is coded as {}, which is not read", parameters.id().name())));
    }
    let mut context = codec::context::Context::from_parameters(parameters)
        .map_err(|error| invalid(source, format!("cannot be decoded: {error}")))?;
    ffi::limit_pixels(&mut context, MAX_PIXELS);
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    Ok(decoder)
}

/// What is in a file.
pub(crate) fn inspect(source: &Source) -> Result<SourceFacts, RenderError> {
    let input = open(source)?;
    let mut facts = SourceFacts::default();
    let is_still = ["png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe"].contains(&input.format().name());
    if let Some(stream) = input.streams().best(media::Type::Video) {
        let video = decoder(source, &stream)?.video().map_err(|error| invalid(source, error))?;
        let (width_px, height_px) = (video.width(), video.height());
        if width_px == 0 || height_px == 0 {
            return Err(invalid(source, "has pictures without a size"));
        }
        if i64::from(width_px) * i64::from(height_px) > MAX_PIXELS {
            return Err(invalid(source, format!("has {width_px} x {height_px} pixels, more than {MAX_PIXELS}")));
        }
        let fps = f64::from(stream.avg_frame_rate());
        if !is_still && fps.is_finite() && fps > MAX_FPS {
            return Err(invalid(source, format!("has {fps} pictures a second, more than {MAX_FPS}")));
        }
        facts.picture = Some(PictureFacts { width_px, height_px, moves: !is_still });
    }
    if let Some(stream) = input.streams().best(media::Type::Audio) {
        decoder(source, &stream)?.audio().map_err(|error| invalid(source, error))?;
        facts.has_sound = true;
    }
    if facts.picture.is_none() && !facts.has_sound {
        return Err(invalid(source, "has neither pictures nor sound"));
    }
    if !is_still {
        facts.duration_ms = u64::try_from(input.duration() / 1000).ok().filter(|ms| *ms > 0);
    }
    Ok(facts)
}
