//! What is done to the colours of a picture.

use jobs_core::port::video::Filter;
use rayon::prelude::*;

use crate::frames::Picture;

/// Changes `picture` as `filter` says.
pub(crate) fn apply(filter: Filter, picture: &mut Picture) {
    match filter {
        Filter::Boost => each(picture, |px| contrast(saturate(px, 1.35), 1.12)),
        Filter::Contrast => each(picture, |px| contrast(px, 1.3)),
        Filter::Darken => each(picture, |px| px.map(|c| c * 0.62)),
        Filter::Greyscale => each(picture, |px| saturate(px, 0.0)),
        Filter::Lighten => each(picture, |px| px.map(|c| c + (255.0 - c) * 0.3)),
        Filter::Muted => each(picture, |px| contrast(saturate(px, 0.55), 0.88)),
        Filter::Negative => each(picture, |px| px.map(|c| 255.0 - c)),
        Filter::Blur => {
            let radius = picture.width.max(picture.height) / 60 + 1;
            soften(picture, radius);
        }
    }
}

/// How much of light each channel is (ITU-R BT.709).
fn light(px: [f32; 3]) -> f32 {
    px[0] * 0.2126 + px[1] * 0.7152 + px[2] * 0.0722
}

fn saturate(px: [f32; 3], by: f32) -> [f32; 3] {
    let grey = light(px);
    px.map(|c| grey + (c - grey) * by)
}

fn contrast(px: [f32; 3], by: f32) -> [f32; 3] {
    px.map(|c| 127.5 + (c - 127.5) * by)
}

fn each(picture: &mut Picture, change: impl Fn([f32; 3]) -> [f32; 3] + Sync) {
    picture.px.par_chunks_mut(1 << 14).for_each(|px| {
        for px in px {
            let [r, g, b, a] = px.to_le_bytes();
            if a == 0 {
                continue;
            }
            // They are premultiplied: colours are those of the whole pixel.
            let whole = 255.0 / f32::from(a);
            let changed = change([r, g, b].map(|c| f32::from(c) * whole));
            let [r, g, b] = changed.map(|c| (c.clamp(0.0, 255.0) / whole + 0.5) as u8);
            *px = u32::from_le_bytes([r, g, b, a]);
        }
    });
}

/// Blurs: three boxes are nearly a Gaussian.
pub(crate) fn soften(picture: &mut Picture, radius: usize) {
    for _ in 0..3 {
        for _ in 0..2 {
            *picture = blur_rows_and_turn(picture, radius);
        }
    }
}

/// Averages along rows and writes them as columns, so that two calls blur both ways.
fn blur_rows_and_turn(picture: &Picture, radius: usize) -> Picture {
    let (width, height) = (picture.width, picture.height);
    let mut turned = vec![0u32; width * height];
    let window = (2 * radius + 1) as u32;
    // Beyond the edge it goes on as the edge is: else edges would be dark.
    let at = |row: &[u32], x: isize| row[x.clamp(0, width as isize - 1) as usize].to_le_bytes().map(u32::from);
    for (y, row) in picture.px.chunks_exact(width).enumerate() {
        let mut sum = [0u32; 4];
        for x in -(radius as isize)..=radius as isize {
            let px = at(row, x);
            (0..4).for_each(|c| sum[c] += px[c]);
        }
        for x in 0..width {
            turned[x * height + y] = u32::from_le_bytes(sum.map(|sum| ((sum + window / 2) / window) as u8));
            let (enters, leaves) = (at(row, (x + radius + 1) as isize), at(row, x as isize - radius as isize));
            (0..4).for_each(|c| sum[c] = sum[c] + enters[c] - leaves[c]);
        }
    }
    Picture { width: height, height: width, px: turned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_what_is_transparent_and_never_leave_the_range() {
        let all = [
            Filter::Boost,
            Filter::Contrast,
            Filter::Darken,
            Filter::Greyscale,
            Filter::Lighten,
            Filter::Muted,
            Filter::Negative,
            Filter::Blur,
        ];
        for filter in all {
            let px = vec![0u32, 0xff00_00ff, 0xffff_ffff, 0x8040_2010, 0xff00_0000, 0xff12_3456];
            let mut picture = Picture { width: 3, height: 2, px };
            apply(filter, &mut picture);
            assert_eq!((picture.width, picture.height), (3, 2));
            for px in &picture.px {
                let [r, g, b, a] = px.to_le_bytes();
                assert!(r.max(g).max(b) <= a, "{filter:?} gives {px:08x}");
            }
        }
        let mut grey = Picture { width: 1, height: 1, px: vec![0xff10_80f0] };
        apply(Filter::Greyscale, &mut grey);
        let [r, g, b, _] = grey.px[0].to_le_bytes();
        assert!(r == g && g == b);
    }

    #[test]
    fn blurring_an_even_picture_changes_nothing() {
        let mut even = Picture { width: 20, height: 10, px: vec![0xff30_2010; 200] };
        soften(&mut even, 4);
        assert!(even.px.iter().all(|px| *px == 0xff30_2010));
    }
}
