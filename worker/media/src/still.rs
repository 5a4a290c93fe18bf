//! The still picture that stands for a film.

use std::path::Path;

use ffmpeg_next::{Packet, Rational, codec, color, encoder, format, frame};
use jobs_core::port::video::{RenderError, RenderFault, ThumbnailFacts};

use crate::{
    canvas::Canvas,
    failure::{failed, unwritten},
    ffi, yuv,
};

/// The quantiser of the JPEG: 2 is best, 31 worst.
const QUANTISER: i32 = 3;

/// `FF_QP2LAMBDA`: what FFmpeg multiplies quantisers with.
const QP_TO_LAMBDA: i32 = 118;

/// Writes `canvas`, `width` pixels wide, as a JPEG.
pub(crate) fn write(canvas: &Canvas, width: u32, path: &Path) -> Result<ThumbnailFacts, RenderError> {
    let small = yuv::shrink(canvas, width as usize);
    let (width_px, height_px) = (small.width as u32, small.height as u32);
    let mut picture = frame::Video::new(format::Pixel::YUVJ420P, width_px, height_px);
    yuv::to_jpeg(&small, ffi::planes_mut(&mut picture).map_err(failed("take a picture"))?);
    picture.set_pts(Some(0));
    let codec = encoder::find(codec::Id::MJPEG)
        .ok_or_else(|| RenderError::new(RenderFault::EncoderMissing, "this FFmpeg has no JPEG encoder"))?;
    let context = codec::context::Context::new_with_codec(codec).encoder().video();
    let mut jpeg = context.map_err(failed("prepare JPEG"))?;
    jpeg.set_width(width_px);
    jpeg.set_height(height_px);
    jpeg.set_format(format::Pixel::YUVJ420P);
    jpeg.set_color_range(color::Range::JPEG);
    jpeg.set_time_base(Rational(1, 25));
    jpeg.set_flags(codec::Flags::QSCALE);
    jpeg.set_global_quality(QUANTISER * QP_TO_LAMBDA);
    let mut jpeg = jpeg.open_as(codec).map_err(failed("open JPEG"))?;
    jpeg.send_frame(&picture).map_err(failed("encode the thumbnail"))?;
    jpeg.send_eof().map_err(failed("encode the thumbnail"))?;
    let mut packet = Packet::empty();
    jpeg.receive_packet(&mut packet).map_err(failed("encode the thumbnail"))?;
    let data = packet.data().unwrap_or_default();
    std::fs::write(path, data).map_err(unwritten(path))?;
    Ok(ThumbnailFacts { width_px, height_px, size_bytes: data.len() as u64 })
}
