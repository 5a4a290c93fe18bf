//! From red, green and blue to what encoders take.

use rayon::prelude::*;

use crate::canvas::Canvas;

/// Fixed point with this many fraction bits.
const BITS: u32 = 15;

/// How much of red, green and blue goes into Y, Cb and Cr, and where Y starts.
struct Matrix {
    y: [i32; 3],
    cb: [i32; 3],
    cr: [i32; 3],
    black: i32,
}

/// ITU-R BT.709, limited range: what HD players expect.
const BT709: Matrix =
    Matrix { y: [5983, 20127, 2032], cb: [-3298, -11094, 14392], cr: [14392, -13073, -1319], black: 16 };

/// ITU-R BT.601, full range: what JPEG (JFIF) means.
const JFIF: Matrix =
    Matrix { y: [9798, 19235, 3735], cb: [-5529, -10855, 16384], cr: [16384, -13720, -2664], black: 0 };

/// One plane each of Y, Cb and Cr with the bytes from row to row.
pub(crate) struct Planes<'a> {
    pub(crate) planes: [&'a mut [u8]; 3],
    pub(crate) strides: [usize; 3],
}

/// For video.
pub(crate) fn to_video(canvas: &Canvas, out: Planes<'_>) {
    convert(canvas, out, &BT709);
}

/// For a JPEG.
pub(crate) fn to_jpeg(canvas: &Canvas, out: Planes<'_>) {
    convert(canvas, out, &JFIF);
}

/// 4:2:0, the colour of four pixels being their mean. Width and height are even.
fn convert(canvas: &Canvas, out: Planes<'_>, matrix: &Matrix) {
    let width = canvas.width;
    let [ys, us, vs] = out.strides;
    let [y, u, v] = out.planes;
    let rows = canvas.px.par_chunks_exact(width * 2);
    let planes = y.par_chunks_mut(ys * 2).zip(u.par_chunks_mut(us)).zip(v.par_chunks_mut(vs));
    rows.zip(planes).for_each(|(pair, ((y, u), v))| {
        let (upper, lower) = pair.split_at(width);
        let (y_upper, y_lower) = y.split_at_mut(ys);
        luma(upper, &mut y_upper[..width], matrix);
        luma(lower, &mut y_lower[..width], matrix);
        let half = width / 2;
        chroma(upper, lower, &mut u[..half], &mut v[..half], matrix);
    });
}

fn channels(px: u32) -> [i32; 3] {
    [(px & 255) as i32, (px >> 8 & 255) as i32, (px >> 16 & 255) as i32]
}

fn luma(row: &[u32], out: &mut [u8], matrix: &Matrix) {
    let [kr, kg, kb] = matrix.y;
    let offset = (matrix.black << BITS) + (1 << (BITS - 1));
    for (out, px) in out.iter_mut().zip(row) {
        let [r, g, b] = channels(*px);
        *out = ((kr * r + kg * g + kb * b + offset) >> BITS) as u8;
    }
}

fn chroma(upper: &[u32], lower: &[u32], u: &mut [u8], v: &mut [u8], matrix: &Matrix) {
    // The sum of four pixels needs two more bits.
    let offset = (128 << (BITS + 2)) + (1 << (BITS + 1));
    let four = upper.chunks_exact(2).zip(lower.chunks_exact(2));
    for ((u, v), (a, b)) in u.iter_mut().zip(v.iter_mut()).zip(four) {
        let even = [a[0], a[1], b[0], b[1]].map(|px| px & 0x00ff_00ff).iter().sum::<u32>();
        let green = [a[0], a[1], b[0], b[1]].map(|px| px >> 8 & 255).iter().sum::<u32>() as i32;
        let (red, blue) = ((even & 0xffff) as i32, (even >> 16) as i32);
        let mixed = |k: &[i32; 3]| (k[0] * red + k[1] * green + k[2] * blue + offset) >> (BITS + 2);
        *u = mixed(&matrix.cb).min(255) as u8;
        *v = mixed(&matrix.cr).min(255) as u8;
    }
}

/// The canvas at `width`, each pixel the mean of those it covers.
pub(crate) fn shrink(canvas: &Canvas, width: usize) -> Canvas {
    let width = (width.min(canvas.width) & !1).max(2);
    let height = ((canvas.height * width / canvas.width) & !1).max(2);
    let mut small = Canvas::new(width, height);
    small.par_rows().for_each(|(y, row)| {
        let (top, bottom) = (y * canvas.height / height, ((y + 1) * canvas.height).div_ceil(height));
        for (x, px) in row.iter_mut().enumerate() {
            let (left, right) = (x * canvas.width / width, ((x + 1) * canvas.width).div_ceil(width));
            let mut sum = [0u32; 3];
            for source in canvas.px.chunks_exact(canvas.width).take(bottom).skip(top) {
                for px in &source[left..right] {
                    for (sum, channel) in sum.iter_mut().zip(channels(*px)) {
                        *sum += channel as u32;
                    }
                }
            }
            let count = ((bottom - top) * (right - left)) as u32;
            let [r, g, b] = sum.map(|sum| ((sum + count / 2) / count) as u8);
            *px = u32::from_le_bytes([r, g, b, 255]);
        }
    });
    small
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(px: u32, to: fn(&Canvas, Planes<'_>)) -> [u8; 3] {
        let mut canvas = Canvas::new(2, 2);
        canvas.px.fill(px);
        let (mut y, mut u, mut v) = ([0u8; 4], [0u8; 1], [0u8; 1]);
        to(&canvas, Planes { planes: [&mut y, &mut u, &mut v], strides: [2, 1, 1] });
        [y[3], u[0], v[0]]
    }

    #[test]
    fn pure_colours_have_the_values_of_the_standards() {
        // Little endian: 0xffBBGGRR.
        assert_eq!(converted(0xff00_00ff, to_video), [63, 102, 240]);
        assert_eq!(converted(0xff00_ff00, to_video), [173, 42, 26]);
        assert_eq!(converted(0xffff_0000, to_video), [32, 240, 118]);
        assert_eq!(converted(0xffff_ffff, to_video), [235, 128, 128]);
        assert_eq!(converted(0xff00_0000, to_video), [16, 128, 128]);
        assert_eq!(converted(0xffff_ffff, to_jpeg), [255, 128, 128]);
        assert_eq!(converted(0xff00_00ff, to_jpeg), [76, 85, 255]);
    }

    #[test]
    fn a_smaller_picture_keeps_its_colours() {
        let mut canvas = Canvas::new(64, 36);
        canvas.px.fill(0xff30_2010);
        let small = shrink(&canvas, 17);
        assert_eq!((small.width, small.height), (16, 8));
        assert!(small.px.iter().all(|px| *px == 0xff30_2010));
    }
}
