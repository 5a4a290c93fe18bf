//! What a film must keep to before a pixel of it is drawn.

use jobs_core::port::video::{Element, Film, RenderError, RenderFault, SHORT_SIDE_U, Shape};

/// The largest picture: UHD.
const MAX_PIXELS: u64 = 3840 * 2160;
const MAX_SIDE_PX: u32 = 4096;
const MIN_SIDE_PX: u32 = 64;
const MAX_FPS: u32 = 60;
const MAX_SECONDS: f64 = 600.0;
const MAX_SCENES: usize = 100;
const MAX_ELEMENTS: usize = 2_000;
const MAX_LETTERS: usize = 50_000;
/// Shapes are painted whole before they are laid on the picture.
const MAX_SHAPE_PX: f32 = 8192.0;
const MAX_SOURCES: usize = 64;

/// Refuses what would take too much, or cannot be drawn.
pub(crate) fn check(film: &Film) -> Result<(), RenderError> {
    let refuse = |message: String| Err(RenderError::new(RenderFault::TimelineInvalid, message));
    let spec = &film.output;
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
    let frames: u64 = film.scenes.iter().map(|scene| u64::from(scene.frames)).sum();
    if frames == 0 || frames as f64 / f64::from(spec.fps) > MAX_SECONDS {
        return refuse(format!("{frames} frames are none, or more than {MAX_SECONDS} seconds"));
    }
    let elements = film.overlays.len() + film.scenes.iter().map(|scene| scene.elements.len()).sum::<usize>();
    if film.scenes.len() > MAX_SCENES || elements > MAX_ELEMENTS {
        return refuse(format!("more than {MAX_SCENES} scenes or {MAX_ELEMENTS} elements"));
    }
    if film.sources.len() > MAX_SOURCES {
        return refuse(format!("more than {MAX_SOURCES} sources"));
    }
    let px = spec.width_px.min(spec.height_px) as f32 / SHORT_SIDE_U;
    let all = film.scenes.iter().flat_map(|scene| &scene.elements).chain(&film.overlays);
    if let Some(large) = all.map(|element| largest_u(element) * px).find(|side| side.is_nan() || *side > MAX_SHAPE_PX) {
        return refuse(format!("an element of {large} px is larger than {MAX_SHAPE_PX}"));
    }
    let letters: usize = film.captions.iter().flat_map(|cue| cue.lines.iter().flatten()).map(|w| w.text.len()).sum();
    if letters > MAX_LETTERS {
        return refuse(format!("captions of more than {MAX_LETTERS} bytes"));
    }
    Ok(())
}

/// The longer side of what has to be painted, in units.
fn largest_u(element: &Element) -> f32 {
    match &element.shape {
        Shape::Text(text) => text.size_u.max(text.width_u).max(text.plate.map_or(0.0, |plate| plate.padding_u * 2.0)),
        Shape::Rect { width_u, height_u, .. } | Shape::Gradient { width_u, height_u, .. } => width_u.max(*height_u),
        Shape::Ellipse { radius_x_u, radius_y_u, stroke_u, blur_u, .. } => {
            2.0 * (radius_x_u.max(*radius_y_u) + stroke_u.unwrap_or(0.0) + blur_u)
        }
        Shape::Polygon { points, .. } => {
            let reach = points.iter().map(|point| point.x_u.abs().max(point.y_u.abs())).fold(0.0, f32::max);
            2.0 * reach
        }
        // What is seen of it is no more than the picture.
        Shape::Media(_) | Shape::Progress { .. } => 0.0,
    }
}
