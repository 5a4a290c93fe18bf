//! A matrix of weights, as it is held in memory, and its product with activations.
//!
//! Whatever the weights are held as, they are multiplied as 32-bit floats: a few rows at a time are unpacked into the
//! nearest cache and used for every row of activations. For one row the unpacking hides behind the memory; for many it is
//! paid once. Activations are never rounded.

use half::{bf16, f16, slice::HalfFloatSliceExt};
use jobs_inference::registry::Dtype;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::kernel::{self, ROWS};

/// How many weights share a scale.
pub(crate) const BLOCK: usize = 32;
/// Rows that one task multiplies.
const TASK_ROWS: usize = 32;
/// Products of fewer multiplications than this are not worth waking a thread for.
const WORTH_SPLITTING: usize = 1 << 17;

/// Weights: `rows` outputs of `cols` inputs.
pub(crate) struct Matrix {
    rows: usize,
    cols: usize,
    weights: Weights,
}

enum Weights {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    Q8(Vec<Block8>),
    Q4(Vec<Block4>),
}

/// 32 weights of 8 bits.
#[derive(Clone, Copy)]
pub(crate) struct Block8 {
    pub(crate) scale: f32,
    pub(crate) quants: [i8; BLOCK],
}

/// 32 weights of 4 bits: the first half in the low bits, the second in the high ones. 8 stands for nought.
#[derive(Clone, Copy)]
pub(crate) struct Block4 {
    pub(crate) scale: f32,
    pub(crate) quants: [u8; BLOCK / 2],
}

/// The weights of a tensor, in the type that the file has.
pub(crate) enum Stored {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
    Q8(Vec<Block8>),
    Q4(Vec<Block4>),
}

impl Stored {
    /// As floats.
    pub(crate) fn floats(self) -> Vec<f32> {
        match self {
            Self::F32(weights) => weights,
            Self::F16(weights) => weights.to_f32_vec(),
            Self::Bf16(weights) => weights.to_f32_vec(),
            Self::Q8(blocks) => {
                let mut floats = vec![0.0; blocks.len() * BLOCK];
                unpack8(&blocks, &mut floats);
                floats
            }
            Self::Q4(blocks) => {
                let mut floats = vec![0.0; blocks.len() * BLOCK];
                unpack4(&blocks, &mut floats);
                floats
            }
        }
    }

    /// The same tensor with its rows of `cols` in another order: row `at` of the result is row `order(at)` of this.
    pub(crate) fn reorder(self, cols: usize, order: impl Fn(usize) -> usize) -> Self {
        fn rows<T: Copy>(all: &[T], row: usize, order: impl Fn(usize) -> usize) -> Vec<T> {
            let count = all.len() / row.max(1);
            (0..count).flat_map(|at| all[order(at) * row..][..row].iter().copied()).collect()
        }
        match self {
            Self::F32(all) => Self::F32(rows(&all, cols, order)),
            Self::F16(all) => Self::F16(rows(&all, cols, order)),
            Self::Bf16(all) => Self::Bf16(rows(&all, cols, order)),
            Self::Q8(all) => Self::Q8(rows(&all, cols / BLOCK, order)),
            Self::Q4(all) => Self::Q4(rows(&all, cols / BLOCK, order)),
        }
    }
}

impl Matrix {
    /// Weights of `rows` rows, held as `dtype` says. Rows that cannot be cut into blocks stay as they are.
    pub(crate) fn new(stored: Stored, rows: usize, cols: usize, dtype: Dtype) -> Self {
        let in_blocks = cols.is_multiple_of(BLOCK);
        let weights = match (dtype, stored) {
            (Dtype::Q8_0, stored @ (Stored::F32(_) | Stored::F16(_) | Stored::Bf16(_) | Stored::Q4(_)))
                if in_blocks =>
            {
                Weights::Q8(pack8(&stored.floats()))
            }
            (Dtype::Q4_0, stored @ (Stored::F32(_) | Stored::F16(_) | Stored::Bf16(_) | Stored::Q8(_)))
                if in_blocks =>
            {
                Weights::Q4(pack4(&stored.floats()))
            }
            (Dtype::F32, stored) => Weights::F32(stored.floats()),
            (_, Stored::F32(weights)) => Weights::F32(weights),
            (_, Stored::F16(weights)) => Weights::F16(weights),
            (_, Stored::Bf16(weights)) => Weights::Bf16(weights),
            (_, Stored::Q8(blocks)) => Weights::Q8(blocks),
            (_, Stored::Q4(blocks)) => Weights::Q4(blocks),
        };
        Self { rows, cols, weights }
    }

    /// How many numbers a product has for each row of activations.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// One row, as floats.
    pub(crate) fn row(&self, at: usize, out: &mut [f32]) {
        self.unpack(at, 1, out);
    }

    /// `x · Wᵀ`: a row of `rows` numbers for each row of `cols` numbers in `x`.
    pub(crate) fn product(&self, x: &[f32]) -> Vec<f32> {
        let count = x.len() / self.cols;
        if count == 0 {
            return Vec::new();
        }
        let mut out = vec![0.0; self.rows * count];
        let task = |(at, out): (usize, &mut [f32])| {
            Arch::new().dispatch(Task { matrix: self, first: at * TASK_ROWS, x, out });
        };
        if self.rows * x.len() < WORTH_SPLITTING {
            out.chunks_mut(TASK_ROWS * count).enumerate().for_each(task);
        } else {
            out.par_chunks_mut(TASK_ROWS * count).enumerate().for_each(task);
        }
        if count == 1 { out } else { transpose(&out, self.rows, count) }
    }

    /// Rows from `first`, as floats.
    #[inline(always)]
    fn unpack(&self, first: usize, count: usize, out: &mut [f32]) {
        let (from, to) = (first * self.cols, (first + count) * self.cols);
        match &self.weights {
            Weights::F32(weights) => out.copy_from_slice(&weights[from..to]),
            Weights::F16(weights) => weights[from..to].convert_to_f32_slice(out),
            Weights::Bf16(weights) => {
                for (weight, out) in weights[from..to].iter().zip(out) {
                    *out = f32::from_bits(u32::from(weight.to_bits()) << 16);
                }
            }
            Weights::Q8(blocks) => unpack8(&blocks[from / BLOCK..to / BLOCK], out),
            Weights::Q4(blocks) => unpack4(&blocks[from / BLOCK..to / BLOCK], out),
        }
    }
}

/// Some rows of a product: `out` has a row for each of them.
struct Task<'a> {
    matrix: &'a Matrix,
    first: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { matrix, first, x, out } = self;
        let (cols, count) = (matrix.cols, x.len() / matrix.cols);
        let mut unpacked = match matrix.weights {
            Weights::F32(_) => Vec::new(),
            _ => vec![0.0; ROWS * cols],
        };
        for (at, out) in out.chunks_mut(ROWS * count).enumerate() {
            let (first, rows) = (first + at * ROWS, out.len() / count);
            if let Weights::F32(weights) = &matrix.weights {
                kernel::strip(simd, &weights[first * cols..(first + rows) * cols], x, cols, out);
                continue;
            }
            let unpacked = &mut unpacked[..rows * cols];
            matrix.unpack(first, rows, unpacked);
            kernel::strip(simd, unpacked, x, cols, out);
        }
    }
}

fn transpose(from: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    /// A square of this side stays in the nearest cache.
    const SIDE: usize = 16;
    let mut to = vec![0.0; from.len()];
    for row in (0..rows).step_by(SIDE) {
        for col in (0..cols).step_by(SIDE) {
            for r in row..(row + SIDE).min(rows) {
                for c in col..(col + SIDE).min(cols) {
                    to[c * rows + r] = from[r * cols + c];
                }
            }
        }
    }
    to
}

// Each block is copied, unpacked and written as a whole: where the compiler must think that a number that is written might
// be the scale, it unpacks one number at a time, which takes four times as long.

#[inline(always)]
fn unpack8(blocks: &[Block8], out: &mut [f32]) {
    let (out, _) = out.as_chunks_mut::<BLOCK>();
    for (block, out) in blocks.iter().zip(out) {
        let Block8 { scale, quants } = *block;
        let mut numbers = [0.0; BLOCK];
        for (number, quant) in numbers.iter_mut().zip(quants) {
            *number = f32::from(quant) * scale;
        }
        *out = numbers;
    }
}

#[inline(always)]
fn unpack4(blocks: &[Block4], out: &mut [f32]) {
    let (out, _) = out.as_chunks_mut::<{ BLOCK / 2 }>();
    for (block, out) in blocks.iter().zip(out.chunks_exact_mut(2)) {
        let Block4 { scale, quants } = *block;
        let mut low = [0.0; BLOCK / 2];
        for (number, quant) in low.iter_mut().zip(quants) {
            *number = (f32::from(quant & 15) - 8.0) * scale;
        }
        let mut high = [0.0; BLOCK / 2];
        for (number, quant) in high.iter_mut().zip(quants) {
            *number = (f32::from(quant >> 4) - 8.0) * scale;
        }
        out[0] = low;
        out[1] = high;
    }
}

/// Blocks of 8 bits: the largest weight of a block is 127 or −127.
fn pack8(weights: &[f32]) -> Vec<Block8> {
    let pack = |weights: &[f32; BLOCK]| {
        let largest = weights.iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let scale = largest / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let mut quants = [0; BLOCK];
        for (quant, weight) in quants.iter_mut().zip(weights) {
            let scaled = weight * inverse;
            // Rounded to the nearest. There are instructions for this on every processor, and none for `round`.
            *quant = (scaled + 0.5f32.copysign(scaled)) as i8;
        }
        Block8 { scale, quants }
    };
    let (blocks, _) = weights.as_chunks::<BLOCK>();
    blocks.iter().map(pack).collect()
}

/// Blocks of 4 bits: the weight that is furthest from nought is −8.
fn pack4(weights: &[f32]) -> Vec<Block4> {
    let pack = |weights: &[f32]| {
        let furthest =
            weights.iter().fold(0.0f32, |most, weight| if weight.abs() > most.abs() { *weight } else { most });
        let scale = furthest / -8.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let quant = |weight: f32| (weight * inverse + 8.5).clamp(0.0, 15.0) as u8;
        let mut quants = [0; BLOCK / 2];
        for (at, out) in quants.iter_mut().enumerate() {
            *out = quant(weights[at]) | quant(weights[at + BLOCK / 2]) << 4;
        }
        Block4 { scale, quants }
    };
    weights.chunks_exact(BLOCK).map(pack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919) % 1000) as f32 / 500.0 - 1.0).collect()
    }

    fn product(dtype: Dtype) -> Vec<f32> {
        let (rows, cols) = (70, 64);
        Matrix::new(Stored::F32(numbers(rows * cols)), rows, cols, dtype).product(&numbers(5 * cols))
    }

    #[test]
    fn a_product_is_the_sum_that_it_is_defined_as() {
        let (weights, x) = (numbers(70 * 64), numbers(5 * 64));
        for (at, found) in product(Dtype::F32).into_iter().enumerate() {
            let (row, col) = (at / 70, at % 70);
            let terms = weights[col * 64..][..64].iter().zip(&x[row * 64..][..64]);
            let expected: f64 = terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn packed_weights_are_as_exact_as_their_bits_allow() {
        let exact = product(Dtype::F32);
        // An error of half a step for each of 64 products of numbers up to 1.
        for (dtype, step) in [(Dtype::Q8_0, 1.0 / 127.0), (Dtype::Q4_0, 1.0 / 8.0)] {
            let packed = product(dtype);
            let error = exact.iter().zip(&packed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error > 0.0 && error < 64.0 * step / 2.0, "{dtype:?}: {error}");
        }
    }
}
