//! Many pictures of a film on one sheet.

use std::sync::atomic::{AtomicBool, Ordering};

use jobs_core::port::video::{
    Film, RenderError, RenderFault, RenderPhase, RenderProgress, RenderSink, SHEET_FILE, SheetRequest,
};
use tiny_skia::Pixmap;

use crate::{check, failure::unwritten, fonts::Fonts, reel::Reel};

/// Between two pictures, in pixels.
const GAP_PX: u32 = 6;
const MAX_SIDE_PX: u32 = 8192;

/// Draws the sheet of `request`.
pub(crate) fn draw(
    request: &SheetRequest,
    fonts: &mut Fonts,
    sink: &dyn RenderSink,
    stop: &AtomicBool,
) -> Result<(), RenderError> {
    let small = small(&request.film, request.width_px);
    check::check(&small)?;
    let refuse = |what: &str| RenderError::new(RenderFault::TimelineInvalid, what.to_owned());
    let (columns, count) = (request.columns.max(1), request.pictures.clamp(1, 400));
    let (width, height) = (small.output.width_px, small.output.height_px);
    let rows = count.div_ceil(columns);
    let size = (columns * (width + GAP_PX) + GAP_PX, rows * (height + GAP_PX) + GAP_PX);
    if size.0 > MAX_SIDE_PX || size.1 > MAX_SIDE_PX {
        return Err(refuse("the sheet is too large"));
    }
    let mut sheet = Pixmap::new(size.0, size.1).ok_or_else(|| refuse("the sheet has no pixels"))?;
    sheet.fill(tiny_skia::Color::from_rgba8(24, 24, 27, 255));
    let total = small.frames();
    let mut reel = Reel::new(&small);
    for index in 0..count {
        if stop.load(Ordering::Relaxed) {
            return Err(RenderError::cancelled());
        }
        // The middle of each of as many equal parts.
        let frame = ((f64::from(index) + 0.5) / f64::from(count) * f64::from(total)) as u32;
        let picture = reel.draw(fonts, frame.min(total - 1))?;
        let left = GAP_PX + index % columns * (width + GAP_PX);
        let top = GAP_PX + index / columns * (height + GAP_PX);
        let data = sheet.data_mut();
        for (y, row) in picture.px.chunks_exact(picture.width).enumerate() {
            let start = ((top as usize + y) * size.0 as usize + left as usize) * 4;
            for (target, px) in data[start..].chunks_exact_mut(4).zip(row) {
                target.copy_from_slice(&(px | 0xff00_0000).to_le_bytes());
            }
        }
        sink.progress(RenderProgress {
            phase: RenderPhase::Render,
            percent: (index + 1) as f32 / count as f32 * 100.0,
            message: format!("picture {} of {count}", index + 1),
            frame: index + 1,
            total_frames: count,
            render_fps: None,
            remaining_ms: None,
        });
    }
    let path = request.dir.join(SHEET_FILE);
    let png = sheet.encode_png().map_err(|error| refuse(&format!("cannot write a PNG: {error}")))?;
    std::fs::write(&path, png).map_err(unwritten(&path))
}

/// The same film, smaller: everything in it is placed by units, whatever the pixels.
fn small(film: &Film, width_px: u32) -> Film {
    let mut small = film.clone();
    let (width, height) = (film.output.width_px.max(1), film.output.height_px.max(1));
    let width_px = width_px.clamp(64, width.max(64)) & !1;
    small.output.width_px = width_px;
    small.output.height_px = ((height * width_px).div_ceil(width) & !1).max(64);
    small
}
