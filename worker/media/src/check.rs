//! What a timeline must keep to before a pixel of it is drawn.

use jobs_core::port::video::{RenderError, RenderFault, Timeline};

/// The largest picture: UHD.
const MAX_PIXELS: u64 = 3840 * 2160;
const MAX_SIDE_PX: u32 = 4096;
const MIN_SIDE_PX: u32 = 64;
const MAX_FPS: u32 = 60;
const MAX_SECONDS: f64 = 600.0;
const MAX_SCENES: usize = 100;
const MAX_ELEMENTS: usize = 2_000;
const MAX_LETTERS: usize = 50_000;

/// Refuses what would take too much, or cannot be drawn.
pub(crate) fn check(timeline: &Timeline) -> Result<(), RenderError> {
    let refuse = |message: String| Err(RenderError::new(RenderFault::TimelineInvalid, message));
    let spec = &timeline.output;
    for (name, px) in [("width", spec.width_px), ("height", spec.height_px)] {
        if !(MIN_SIDE_PX..=MAX_SIDE_PX).contains(&px) || px % 2 != 0 {
            return refuse(format!("a {name} of {px} px is not even and within {MIN_SIDE_PX} to {MAX_SIDE_PX}"));
        }
    }
    if u64::from(spec.width_px) * u64::from(spec.height_px) > MAX_PIXELS {
        return refuse(format!("{} x {} px is more than {MAX_PIXELS} pixels", spec.width_px, spec.height_px));
    }
    if !(1..=MAX_FPS).contains(&spec.fps) {
        return refuse(format!("{} frames per second is not within 1 to {MAX_FPS}", spec.fps));
    }
    let frames: u64 = timeline.scenes.iter().map(|scene| u64::from(scene.frames)).sum();
    if frames == 0 || frames as f64 / f64::from(spec.fps) > MAX_SECONDS {
        return refuse(format!("{frames} frames are none, or more than {MAX_SECONDS} seconds"));
    }
    let elements = timeline.overlays.len() + timeline.scenes.iter().map(|scene| scene.elements.len()).sum::<usize>();
    if timeline.scenes.len() > MAX_SCENES || elements > MAX_ELEMENTS {
        return refuse(format!("more than {MAX_SCENES} scenes or {MAX_ELEMENTS} elements"));
    }
    let letters: usize =
        timeline.captions.iter().flat_map(|cue| cue.lines.iter().flatten()).map(|w| w.text.len()).sum();
    if letters > MAX_LETTERS {
        return refuse(format!("captions of more than {MAX_LETTERS} bytes"));
    }
    Ok(())
}
