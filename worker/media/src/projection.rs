//! Pictures laid on a canvas turned, sized, cut round and faded, by looking up where each pixel comes from.

use rayon::prelude::*;

use crate::canvas::{Canvas, Clip};

/// Pixels to be laid: premultiplied, red in the lowest byte.
#[derive(Clone, Copy)]
pub(crate) struct Texture<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) px: &'a [u32],
}

/// How a texture is seen: through a frame that is sized and turned around its middle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projection {
    /// The middle of the frame on the canvas.
    pub(crate) middle: (f32, f32),
    /// The frame, in pixels of the canvas before it is sized.
    pub(crate) size: (f32, f32),
    /// How much larger it is.
    pub(crate) scale: f32,
    /// Clockwise.
    pub(crate) turn_deg: f32,
    /// Of the frame's corners.
    pub(crate) radius: f32,
    /// The top left corner of the frame in the texture.
    pub(crate) from: (f32, f32),
    /// Pixels of the texture for one of the frame.
    pub(crate) step: (f32, f32),
    /// 0 to 1.
    pub(crate) opacity: f32,
    /// Whether the frame's own edge is smoothed; a texture with an empty border needs none.
    pub(crate) has_edge: bool,
}

impl Projection {
    /// How far the frame reaches on the canvas.
    fn reach(&self) -> Clip {
        let (sin, cos) = self.turn_deg.to_radians().sin_cos();
        let (w, h) = (self.size.0 * self.scale / 2.0, self.size.1 * self.scale / 2.0);
        let (x, y) = (w * cos.abs() + h * sin.abs() + 1.0, w * sin.abs() + h * cos.abs() + 1.0);
        let bound = |value: f32| value.clamp(-1e6, 1e6) as i32;
        Clip {
            left: bound((self.middle.0 - x).floor()),
            top: bound((self.middle.1 - y).floor()),
            right: bound((self.middle.0 + x).ceil()),
            bottom: bound((self.middle.1 + y).ceil()),
        }
    }

    /// How much of the pixel around a point of the frame lies in it; the point is counted from its middle.
    fn cover(&self, x: f32, y: f32) -> f32 {
        let (qx, qy) = (x.abs() - self.size.0 / 2.0 + self.radius, y.abs() - self.size.1 / 2.0 + self.radius);
        let inside = qx.max(qy).min(0.0) - self.radius;
        if inside * self.scale <= -0.5 && qx <= 0.0 && qy <= 0.0 {
            return 1.0;
        }
        let outside = qx.max(0.0).hypot(qy.max(0.0));
        (0.5 - (outside + inside) * self.scale).clamp(0.0, 1.0)
    }
}

impl Canvas {
    /// Lays what is seen of `texture` through `view` over the picture.
    pub(crate) fn project(&mut self, texture: Texture<'_>, view: &Projection, clip: Clip) {
        let area = view.reach().within(clip).within(self.clip());
        let opacity = view.opacity.clamp(0.0, 1.0);
        if area.left >= area.right || area.top >= area.bottom || opacity <= 0.0 || view.scale <= 1e-4 {
            return;
        }
        let (sin, cos) = view.turn_deg.to_radians().sin_cos();
        let (sin, cos) = (sin / view.scale, cos / view.scale);
        let (left, right) = (area.left as usize, area.right as usize);
        let (top, bottom) = (area.top as usize, area.bottom as usize);
        let half = (view.size.0 / 2.0, view.size.1 / 2.0);
        self.par_rows().skip(top).take(bottom - top).for_each(|(y, row)| {
            let dy = y as f32 + 0.5 - view.middle.1;
            for (x, px) in row[left..right].iter_mut().enumerate() {
                let dx = (left + x) as f32 + 0.5 - view.middle.0;
                let (bx, by) = (dx * cos + dy * sin, dy * cos - dx * sin);
                let cover = if view.has_edge { view.cover(bx, by) } else { 1.0 };
                if cover <= 0.0 {
                    continue;
                }
                let u = view.from.0 + (bx + half.0) * view.step.0 - 0.5;
                let v = view.from.1 + (by + half.1) * view.step.1 - 0.5;
                let source = if view.has_edge { texture.inside(u, v) } else { texture.with_border(u, v) };
                over(px, source, (cover * opacity * 256.0 + 0.5) as u32);
            }
        });
    }
}

impl Texture<'_> {
    /// The colour between pixels; beyond the edge it is that of the edge.
    fn inside(&self, u: f32, v: f32) -> u32 {
        let u = u.clamp(0.0, (self.width - 1) as f32);
        let v = v.clamp(0.0, (self.height - 1) as f32);
        let (x, y) = (u as usize, v as usize);
        let (fx, fy) = (((u - x as f32) * 256.0) as u32, ((v - y as f32) * 256.0) as u32);
        let right = usize::from(x + 1 < self.width);
        let row = y * self.width + x;
        let below = if y + 1 < self.height { row + self.width } else { row };
        let upper = lerp(self.px[row], self.px[row + right], fx);
        let lower = lerp(self.px[below], self.px[below + right], fx);
        lerp(upper, lower, fy)
    }

    /// The colour between pixels; beyond the edge there is none.
    fn with_border(&self, u: f32, v: f32) -> u32 {
        if u <= -1.0 || v <= -1.0 || u >= self.width as f32 || v >= self.height as f32 {
            return 0;
        }
        let (x, y) = (u.floor(), v.floor());
        let (fx, fy) = (((u - x) * 256.0) as u32, ((v - y) * 256.0) as u32);
        let at = |x: f32, y: f32| {
            let is_there = x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32;
            if is_there { self.px[y as usize * self.width + x as usize] } else { 0 }
        };
        let upper = lerp(at(x, y), at(x + 1.0, y), fx);
        let lower = lerp(at(x, y + 1.0), at(x + 1.0, y + 1.0), fx);
        lerp(upper, lower, fy)
    }
}

const LOW: u32 = 0x00ff_00ff;
const HALF: u32 = 0x0080_0080;

/// Between two pixels, all four channels; `t` in 256.
fn lerp(a: u32, b: u32, t: u32) -> u32 {
    if a == b {
        return a;
    }
    let even = (((a & LOW) * (256 - t) + (b & LOW) * t + HALF) >> 8) & LOW;
    let odd = ((a >> 8 & LOW) * (256 - t) + (b >> 8 & LOW) * t + HALF) & !LOW;
    even | odd
}

fn over(target: &mut u32, source: u32, opacity: u32) {
    let source = if opacity >= 256 { source } else { lerp(0, source, opacity) };
    match source >> 24 {
        0 => {}
        255 => *target = source,
        alpha => {
            let rest = 256 - alpha - (alpha >> 7);
            let even = ((*target & LOW) * rest) >> 8 & LOW;
            let odd = ((*target >> 8 & LOW) * rest) & !LOW;
            *target = source.wrapping_add(even | odd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(middle: (f32, f32), size: (f32, f32)) -> Projection {
        Projection {
            middle,
            size,
            scale: 1.0,
            turn_deg: 0.0,
            radius: 0.0,
            from: (0.0, 0.0),
            step: (1.0, 1.0),
            opacity: 1.0,
            has_edge: true,
        }
    }

    #[test]
    fn what_lies_straight_and_in_its_own_size_is_copied() {
        let px: Vec<u32> = (0..16).map(|n| 0xff00_0000 | (n * 0x0011_0307)).collect();
        let mut canvas = Canvas::new(8, 8);
        let clip = canvas.clip();
        canvas.project(Texture { width: 4, height: 4, px: &px }, &view((4.0, 4.0), (4.0, 4.0)), clip);
        for y in 0..4 {
            assert_eq!(canvas.px[(y + 2) * 8 + 2..][..4], px[y * 4..][..4]);
        }
        assert_eq!((canvas.px[0], canvas.px[9 + 8]), (0xff00_0000, 0xff00_0000));
    }

    #[test]
    fn a_quarter_turn_turns_clockwise() {
        let px = [0xff00_00ff, 0xff00_ff00, 0xffff_0000, 0xffff_ffff];
        let mut canvas = Canvas::new(2, 2);
        let clip = canvas.clip();
        let turned = Projection { turn_deg: 90.0, ..view((1.0, 1.0), (2.0, 2.0)) };
        canvas.project(Texture { width: 2, height: 2, px: &px }, &turned, clip);
        let close = |a: u32, b: u32| a.to_le_bytes().into_iter().zip(b.to_le_bytes()).all(|(a, b)| a.abs_diff(b) < 4);
        let wanted = [px[2], px[0], px[3], px[1]];
        assert!(canvas.px.iter().zip(wanted).all(|(px, wanted)| close(*px, wanted)), "{:08x?}", canvas.px);
    }

    #[test]
    fn round_corners_leave_the_corner_free_and_the_middle_whole() {
        let px = vec![0xffff_ffff; 400];
        let mut canvas = Canvas::new(20, 20);
        let clip = canvas.clip();
        let round = Projection { radius: 10.0, ..view((10.0, 10.0), (20.0, 20.0)) };
        canvas.project(Texture { width: 20, height: 20, px: &px }, &round, clip);
        assert_eq!((canvas.px[0], canvas.px[10 * 20 + 10]), (0xff00_0000, 0xffff_ffff));
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_canvas_whatever_the_view() {
        let px = vec![0xffff_ffff; 16];
        let mut canvas = Canvas::new(8, 8);
        let clip = canvas.clip();
        for (middle, scale) in [((-1e9, 4.0), 1.0), ((4.0, 1e9), 5.0), ((f32::NAN, 0.0), 1.0), ((4.0, 4.0), 1e6)] {
            let far = Projection { scale, turn_deg: 33.0, ..view(middle, (4.0, 4.0)) };
            canvas.project(Texture { width: 4, height: 4, px: &px }, &far, clip);
        }
    }
}
