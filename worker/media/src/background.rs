//! What fills a picture before anything lies on it.

use jobs_core::port::video::{Background, Color};
use rayon::prelude::*;

use crate::{canvas::Canvas, sprite::dither};

/// Fills the whole canvas; `scale` is the pixels of a unit.
pub(crate) fn fill(canvas: &mut Canvas, background: &Background, scale: f32) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    match *background {
        Background::Color { color } => shade(canvas, color, color, |_, _| 0.0),
        Background::Linear { from, to, angle_deg } => {
            let (sin, cos) = angle_deg.to_radians().sin_cos();
            let reach = (width * cos.abs() + height * sin.abs()).max(1.0);
            shade(canvas, from, to, |x, y| ((x - width / 2.0) * cos + (y - height / 2.0) * sin) / reach + 0.5);
        }
        Background::Radial { center, edge, at, radius_u } => {
            let (cx, cy, radius) = (at.x_u * scale, at.y_u * scale, (radius_u * scale).max(1.0));
            shade(canvas, center, edge, |x, y| {
                let t = ((x - cx).hypot(y - cy) / radius).min(1.0);
                t * t * (3.0 - 2.0 * t)
            });
        }
    }
}

/// Colours from `a` to `b` by a share from 0 to 1, dithered: eight bits of a slow gradient show bands.
fn shade(canvas: &mut Canvas, a: Color, b: Color, share: impl Fn(f32, f32) -> f32 + Sync) {
    let a = [a.r, a.g, a.b].map(f32::from);
    let b = [b.r, b.g, b.b].map(f32::from);
    canvas.par_rows().for_each(|(y, row)| {
        for (x, px) in row.iter_mut().enumerate() {
            let t = share(x as f32 + 0.5, y as f32 + 0.5).clamp(0.0, 1.0);
            let noise = if a == b { 0.0 } else { dither(x, y) };
            let channel = |c: usize| (a[c] + (b[c] - a[c]) * t + noise) as u8;
            *px = u32::from_le_bytes([channel(0), channel(1), channel(2), 255]);
        }
    });
}
