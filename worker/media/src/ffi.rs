//! The calls into FFmpeg that its Rust binding has no safe form for. All unsafe code of the project is here.

use ffmpeg_next::{
    codec::{self, encoder},
    color, ffi, frame,
    software::scaling,
};

use crate::yuv::Planes;

/// Tags the stream with the transfer curve of BT.709: the binding sets the other three tags only.
#[expect(unsafe_code, reason = "ffmpeg-next has no setter for color_trc")]
pub(crate) fn tag_transfer_bt709(encoder: &mut encoder::video::Video) {
    // SAFETY: the pointer is the encoder's own context, alive and not opened yet; a plain field is written.
    unsafe {
        (*encoder.as_mut_ptr()).color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_BT709;
    }
}

/// Lets a decoder refuse pictures of more pixels, before it takes memory for them.
#[expect(unsafe_code, reason = "ffmpeg-next has no setter for max_pixels")]
pub(crate) fn limit_pixels(context: &mut codec::context::Context, most: i64) {
    // SAFETY: the pointer is the context's own, alive and not opened yet; a plain field is written.
    unsafe {
        (*context.as_mut_ptr()).max_pixels = most;
    }
}

/// Lets a scaler read colours as `picture` means them. By itself it takes all for BT.601, and those of HD come out wrong.
#[expect(unsafe_code, reason = "ffmpeg-next has no form of sws_setColorspaceDetails")]
pub(crate) fn use_matrix_of(scaler: &mut scaling::Context, picture: &frame::Video) {
    let is_hd = picture.height() >= 720;
    let matrix = match picture.color_space() {
        color::Space::BT709 => ffi::SWS_CS_ITU709,
        color::Space::BT470BG | color::Space::SMPTE170M => ffi::SWS_CS_ITU601,
        color::Space::BT2020NCL | color::Space::BT2020CL => ffi::SWS_CS_BT2020,
        // What says nothing means what was usual for its size.
        _ if is_hd => ffi::SWS_CS_ITU709,
        _ => ffi::SWS_CS_ITU601,
    };
    let is_full = i32::from(picture.color_range() == color::Range::JPEG);
    // SAFETY: the scaler is alive, the tables are static, and out of range is an error code: then the defaults stay.
    unsafe {
        let table = ffi::sws_getCoefficients(matrix);
        ffi::sws_setColorspaceDetails(scaler.as_mut_ptr(), table, is_full, table, 1, 0, 1 << 16, 1 << 16);
    }
}

/// The three planes of a 4:2:0 picture, to be written at once. The encoder may still hold the picture that was sent before:
/// then it is given a copy first.
#[expect(unsafe_code, reason = "ffmpeg-next lends one plane at a time and never asks for a writable picture")]
pub(crate) fn planes_mut(picture: &mut frame::Video) -> Result<Planes<'_>, ffmpeg_next::Error> {
    // SAFETY: the frame is valid and owned by `picture`.
    let code = unsafe { ffi::av_frame_make_writable(picture.as_mut_ptr()) };
    if code < 0 {
        return Err(ffmpeg_next::Error::from(code));
    }
    let height = picture.height() as usize;
    let strides = [picture.stride(0), picture.stride(1), picture.stride(2)];
    let rows = [height, height.div_ceil(2), height.div_ceil(2)];
    // SAFETY: `av_frame_get_buffer` made each plane `stride` x rows bytes large, the planes do not overlap, the frame is
    // writable, and the borrow of `picture` keeps it alive and unshared for as long as the slices are.
    let planes = unsafe {
        let data = (*picture.as_mut_ptr()).data;
        [0, 1, 2].map(|plane| std::slice::from_raw_parts_mut(data[plane], strides[plane] * rows[plane]))
    };
    Ok(Planes { planes, strides })
}
