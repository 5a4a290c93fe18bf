//! How one picture takes over from another.

use jobs_core::port::video::TransitionKind;
use rayon::prelude::*;

use crate::{
    canvas::Canvas,
    layer::{ease_out, smooth},
};

/// Turns `old` into what is seen when `p` of the way to `new` is done.
pub(crate) fn apply(kind: TransitionKind, old: &mut Canvas, new: &Canvas, p: f32) {
    match kind {
        TransitionKind::Crossfade => mix(old, new, smooth(p)),
        TransitionKind::ThroughBlack if p < 0.5 => dim(old, smooth(1.0 - p * 2.0)),
        TransitionKind::ThroughBlack => {
            old.copy_from(new);
            dim(old, smooth(p * 2.0 - 1.0));
        }
        TransitionKind::SlideLeft => slide_left(old, new, ease_in_out(p)),
        TransitionKind::SlideUp => slide_up(old, new, ease_in_out(p)),
        TransitionKind::Wipe => wipe(old, new, ease_in_out(p)),
        TransitionKind::Circle => circle(old, new, ease_out(p)),
    }
}

fn ease_in_out(p: f32) -> f32 {
    if p < 0.5 { 4.0 * p.powi(3) } else { 1.0 - (2.0 - 2.0 * p).powi(3) / 2.0 }
}

const LOW: u32 = 0x00ff_00ff;

fn blend(a: u32, b: u32, t: u32) -> u32 {
    let even = ((a & LOW) * (256 - t) + (b & LOW) * t) >> 8 & LOW;
    let odd = ((a >> 8 & LOW) * (256 - t) + (b >> 8 & LOW) * t) & !LOW;
    even | odd
}

fn mix(old: &mut Canvas, new: &Canvas, p: f32) {
    let t = (p * 256.0) as u32;
    let rows = old.px.par_chunks_mut(1 << 14).zip(new.px.par_chunks(1 << 14));
    rows.for_each(|(old, new)| old.iter_mut().zip(new).for_each(|(o, n)| *o = blend(*o, *n, t)));
}

fn dim(canvas: &mut Canvas, light: f32) {
    let t = (light * 256.0) as u32;
    canvas.px.par_chunks_mut(1 << 14).for_each(|px| px.iter_mut().for_each(|px| *px = blend(0, *px, t)));
}

fn slide_left(old: &mut Canvas, new: &Canvas, p: f32) {
    let width = old.width;
    let way = ((p * width as f32) as usize).min(width);
    old.px.par_chunks_mut(width).zip(new.px.par_chunks(width)).for_each(|(old, new)| {
        old.copy_within(way.., 0);
        old[width - way..].copy_from_slice(&new[..way]);
    });
}

fn slide_up(old: &mut Canvas, new: &Canvas, p: f32) {
    let way = ((p * old.height as f32) as usize).min(old.height) * old.width;
    let end = old.px.len();
    old.px.copy_within(way.., 0);
    old.px[end - way..].copy_from_slice(&new.px[..way]);
}

/// A slanted edge from the left, a tenth of the height ahead at the top.
fn wipe(old: &mut Canvas, new: &Canvas, p: f32) {
    let (width, height) = (old.width, old.height as f32);
    let slant = height * 0.35;
    old.px.par_chunks_mut(width).zip(new.px.par_chunks(width)).enumerate().for_each(|(y, (old, new))| {
        let edge = p * (width as f32 + slant) - slant * y as f32 / height;
        let whole = (edge.max(0.0) as usize).min(width);
        old[..whole].copy_from_slice(&new[..whole]);
        if edge > 0.0 && whole < width {
            old[whole] = blend(old[whole], new[whole], (edge.fract() * 256.0) as u32);
        }
    });
}

fn circle(old: &mut Canvas, new: &Canvas, p: f32) {
    let (width, cx, cy) = (old.width, old.width as f32 / 2.0, old.height as f32 / 2.0);
    let radius = p * cx.hypot(cy) + 1.0;
    old.px.par_chunks_mut(width).zip(new.px.par_chunks(width)).enumerate().for_each(|(y, (old, new))| {
        let dy = y as f32 + 0.5 - cy;
        if dy.abs() >= radius {
            return;
        }
        let half = (radius * radius - dy * dy).sqrt();
        let (left, right) = (cx - half, cx + half);
        let from = left.max(0.0).ceil() as usize;
        let to = (right.max(0.0) as usize).min(width);
        if from < to {
            old[from..to].copy_from_slice(&new[from..to]);
        }
        // The pixels that the edge runs through: sharp ones would look like stairs.
        if left > 0.0 && from > 0 && from <= width {
            old[from - 1] = blend(old[from - 1], new[from - 1], ((from as f32 - left) * 256.0) as u32);
        }
        if right > 0.0 && to < width {
            old[to] = blend(old[to], new[to], (right.fract() * 256.0) as u32);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_starts_with_the_old_picture_and_ends_with_the_new() {
        for kind in [
            TransitionKind::Crossfade,
            TransitionKind::ThroughBlack,
            TransitionKind::SlideLeft,
            TransitionKind::SlideUp,
            TransitionKind::Wipe,
            TransitionKind::Circle,
        ] {
            let mut picture = Canvas::new(32, 18);
            picture.px.fill(0xff20_4060);
            let mut new = Canvas::new(32, 18);
            new.px.fill(0xffe0_c0a0);
            apply(kind, &mut picture, &new, 0.0);
            let changed = picture.px.iter().filter(|px| **px != 0xff20_4060).count();
            assert!(changed <= 4, "{kind:?} starts with {changed} new pixels");
            apply(kind, &mut picture, &new, 1.0);
            assert!(picture.px.iter().all(|px| *px == 0xffe0_c0a0), "{kind:?} does not end with the new picture");
        }
    }
}
