//! The picture that is being drawn: opaque pixels, and sprites laid over them.

use rayon::prelude::*;

use crate::sprite::Sprite;

/// Pixels in rows, red in the lowest byte. The alpha byte is not looked at.
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) px: Vec<u32>,
}

/// Where a sprite may leave pixels, in pixels of the canvas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clip {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, px: vec![0xff00_0000; width * height] }
    }

    pub(crate) fn clip(&self) -> Clip {
        Clip { left: 0, top: 0, right: self.width as i32, bottom: self.height as i32 }
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.px.copy_from_slice(&other.px);
    }

    /// Every row with its number, on all cores.
    pub(crate) fn par_rows(&mut self) -> impl IndexedParallelIterator<Item = (usize, &mut [u32])> {
        self.px.par_chunks_mut(self.width).enumerate()
    }

    /// Lays `sprite` over the picture, its top left corner at a point between pixels: slow movement must not step.
    pub(crate) fn lay(&mut self, sprite: &Sprite, x: f32, y: f32, opacity: f32, clip: Clip) {
        let opacity = (opacity.clamp(0.0, 1.0) * 256.0).round() as u32;
        if opacity == 0 {
            return;
        }
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (((x - left) * 16.0) as u32, ((y - top) * 16.0) as u32);
        let (left, top) = (left as i32, top as i32);
        if fx == 0 && fy == 0 {
            self.lay_whole(sprite, left, top, opacity, clip);
        } else {
            self.lay_between(sprite, (left, top), (fx, fy), opacity, clip);
        }
    }

    fn lay_whole(&mut self, sprite: &Sprite, left: i32, top: i32, opacity: u32, clip: Clip) {
        let clip = clip.within(self.clip());
        for sy in (clip.top - top).max(0)..(clip.bottom - top).min(sprite.height as i32) {
            let (first, end) = sprite.spans[sy as usize];
            if first >= end {
                continue;
            }
            let from = (first as i32).max(clip.left - left);
            let to = (end as i32).min(clip.right - left);
            if from >= to {
                continue;
            }
            let source = &sprite.row(sy as usize)[from as usize..to as usize];
            let start = (top + sy) as usize * self.width + (left + from) as usize;
            over_row(&mut self.px[start..start + source.len()], source, opacity);
        }
    }

    fn lay_between(&mut self, sprite: &Sprite, at: (i32, i32), (fx, fy): (u32, u32), opacity: u32, clip: Clip) {
        let clip = clip.within(self.clip());
        let (left, top) = at;
        let width = sprite.width;
        // Weights in 1/256 that add up exactly, or a still picture would breathe.
        let weights = [(16 - fx) * (16 - fy), fx * (16 - fy), (16 - fx) * fy, fx * fy];
        let blank = vec![0u32; width];
        let mut mixed = vec![0u32; width + 1];
        for sy in (clip.top - top).max(0)..(clip.bottom - top).min(sprite.height as i32 + 1) {
            let here = if (sy as usize) < sprite.height { sprite.row(sy as usize) } else { &blank };
            let above = if sy > 0 { sprite.row(sy as usize - 1) } else { &blank };
            let span_here = if (sy as usize) < sprite.height { sprite.spans[sy as usize] } else { (u32::MAX, 0) };
            let span_above = if sy > 0 { sprite.spans[sy as usize - 1] } else { (u32::MAX, 0) };
            let first = span_here.0.min(span_above.0);
            let end = span_here.1.max(span_above.1);
            if first >= end {
                continue;
            }
            let from = (first as i32).max(clip.left - left);
            let to = (end as i32 + 1).min(clip.right - left);
            if from >= to {
                continue;
            }
            for sx in from as usize..to as usize {
                let (h, a) = if sx < width { (here[sx], above[sx]) } else { (0, 0) };
                let (h1, a1) = if sx > 0 { (here[sx - 1], above[sx - 1]) } else { (0, 0) };
                mixed[sx] = blend4([h, h1, a, a1], weights);
            }
            let source = &mixed[from as usize..to as usize];
            let start = (top + sy) as usize * self.width + (left + from) as usize;
            over_row(&mut self.px[start..start + source.len()], source, opacity);
        }
    }

    /// Fills a rectangle of whole pixels with one premultiplied colour.
    pub(crate) fn fill_rect(&mut self, clip: Clip, color: u32) {
        let clip = clip.within(self.clip());
        if clip.left >= clip.right {
            return;
        }
        let row = vec![color; (clip.right - clip.left) as usize];
        for y in clip.top..clip.bottom {
            let start = y as usize * self.width + clip.left as usize;
            over_row(&mut self.px[start..start + row.len()], &row, 256);
        }
    }
}

impl Clip {
    pub(crate) fn within(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }
}

const LOW: u32 = 0x00ff_00ff;

/// Premultiplied `source` over opaque pixels; `opacity` in 256.
fn over_row(target: &mut [u32], source: &[u32], opacity: u32) {
    for (t, &s) in target.iter_mut().zip(source) {
        let s = if opacity == 256 { s } else { scale(s, opacity) };
        match s >> 24 {
            0 => {}
            255 => *t = s,
            alpha => *t = s.wrapping_add(scale(*t, 256 - alpha - (alpha >> 7))),
        }
    }
}

/// All four channels times `by` / 256, two at a time.
fn scale(pixel: u32, by: u32) -> u32 {
    let even = ((pixel & LOW) * by) >> 8 & LOW;
    let odd = (((pixel >> 8) & LOW) * by) & !LOW;
    even | odd
}

fn blend4(pixels: [u32; 4], weights: [u32; 4]) -> u32 {
    let (mut even, mut odd) = (0, 0);
    for (pixel, weight) in pixels.into_iter().zip(weights) {
        even += (pixel & LOW) * weight;
        odd += ((pixel >> 8) & LOW) * weight;
    }
    (even >> 8 & LOW) | (odd & !LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(color: u32) -> Sprite {
        Sprite::from_px(2, 2, vec![color; 4])
    }

    #[test]
    fn an_opaque_sprite_replaces_exactly_the_pixels_under_it() {
        let mut canvas = Canvas::new(4, 4);
        let clip = canvas.clip();
        canvas.lay(&dot(0xff11_2233), 1.0, 1.0, 1.0, clip);
        let hit = canvas.px.iter().filter(|px| **px == 0xff11_2233).count();
        assert_eq!(hit, 4);
        assert_eq!(canvas.px[0], 0xff00_0000);
    }

    #[test]
    fn a_sprite_that_lies_partly_or_wholly_outside_is_cut() {
        let mut canvas = Canvas::new(4, 4);
        let clip = canvas.clip();
        for (x, y) in [(-1.0, -1.0), (3.5, 3.5), (-9.0, 2.0), (2.0, 90.0), (-1.5, 3.25)] {
            canvas.lay(&dot(0xffff_ffff), x, y, 1.0, clip);
        }
        assert_eq!(canvas.px[0], 0xffff_ffff);
    }

    #[test]
    fn channels_never_overflow_into_their_neighbours() {
        for alpha in 0..=255u32 {
            let white = alpha * 0x0101_0101;
            let mut row = [0xffff_ffff, 0xff00_0000];
            over_row(&mut row, &[white, white], 256);
            for shift in [0, 8, 16] {
                let on_white = row[0] >> shift & 255;
                let on_black = row[1] >> shift & 255;
                assert!(on_white >= 253, "white on white at {alpha} gives {on_white}");
                assert_eq!(on_black, alpha);
            }
        }
    }
}
