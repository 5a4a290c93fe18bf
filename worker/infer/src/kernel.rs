//! The arithmetic that takes the time: products of rows, in vector instructions that are chosen when the program runs.
//!
//! Each number of a result is summed in one order, which depends on the length of the rows alone: not on how many rows are
//! multiplied at once, nor on which thread does it. So an answer is the same, bit for bit, whoever shares its batch.

use pulp::{Arch, Simd, WithSimd};

/// Rows of weights that are multiplied at once.
pub(crate) const ROWS: usize = 4;
/// Rows of activations that are multiplied at once. With [`ROWS`] it fills the registers of AVX2.
const COLUMNS: usize = 3;

/// The inner product of two rows of the same length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    struct Dot<'a>(&'a [f32], &'a [f32]);
    impl WithSimd for Dot<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let mut out = [0.0];
            tile::<S, 1, 1>(simd, [self.0], [self.1], &mut out, 1);
            out[0]
        }
    }
    Arch::new().dispatch(Dot(a, b))
}

/// Multiplies up to [`ROWS`] rows of weights with all rows of `x`; `out` has a row for each row of weights.
#[inline(always)]
pub(crate) fn strip<S: Simd>(simd: S, weights: &[f32], x: &[f32], cols: usize, out: &mut [f32]) {
    let count = x.len() / cols;
    if weights.len() == ROWS * cols {
        let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
        for (row, weights) in rows.iter_mut().zip(weights.chunks_exact(cols)) {
            *row = weights;
        }
        rows_of(simd, rows, x, cols, out, count);
        return;
    }
    for (weights, out) in weights.chunks_exact(cols).zip(out.chunks_exact_mut(count)) {
        rows_of(simd, [weights], x, cols, out, count);
    }
}

/// Multiplies `R` rows of weights with all rows of `x`, a few of those at a time.
#[inline(always)]
fn rows_of<S: Simd, const R: usize>(
    simd: S,
    weights: [&[f32]; R],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
    count: usize,
) {
    let row = |at: usize| &x[at * cols..(at + 1) * cols];
    let mut at = 0;
    while at + COLUMNS <= count {
        tile::<S, R, COLUMNS>(simd, weights, [row(at), row(at + 1), row(at + 2)], &mut out[at..], count);
        at += COLUMNS;
    }
    while at < count {
        tile::<S, R, 1>(simd, weights, [row(at)], &mut out[at..], count);
        at += 1;
    }
}

/// The inner products of `R` rows with `C` rows, to `out[r * stride + c]`.
#[inline(always)]
fn tile<S: Simd, const R: usize, const C: usize>(
    simd: S,
    weights: [&[f32]; R],
    x: [&[f32]; C],
    out: &mut [f32],
    stride: usize,
) {
    let mut heads_w: [&[S::f32s]; R] = [&[]; R];
    let mut tails_w: [&[f32]; R] = [&[]; R];
    let mut heads_x: [&[S::f32s]; C] = [&[]; C];
    let mut tails_x: [&[f32]; C] = [&[]; C];
    for ((head, tail), row) in heads_w.iter_mut().zip(&mut tails_w).zip(weights) {
        (*head, *tail) = S::as_simd_f32s(row);
    }
    for ((head, tail), row) in heads_x.iter_mut().zip(&mut tails_x).zip(x) {
        (*head, *tail) = S::as_simd_f32s(row);
    }
    // One length for all, so that nothing is checked in the loop.
    let length = heads_w[0].len();
    for head in heads_w.iter_mut().chain(&mut heads_x) {
        *head = &head[..length];
    }
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    for i in 0..length {
        for r in 0..R {
            let weight = heads_w[r][i];
            for c in 0..C {
                sums[r][c] = simd.mul_add_f32s(weight, heads_x[c][i], sums[r][c]);
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            let mut sum = simd.reduce_sum_f32s(sums[r][c]);
            for (weight, x) in tails_w[r].iter().zip(tails_x[c]) {
                sum += weight * x;
            }
            out[r * stride + c] = sum;
        }
    }
}

/// What one place of a sequence reads from the places before it: attention with one key head.
pub(crate) struct Attend<'a> {
    /// The queries of the heads that share the key head, one after the other.
    pub(crate) queries: &'a [f32],
    /// The keys of all places that it may look at.
    pub(crate) keys: &'a [f32],
    /// Their values.
    pub(crate) values: &'a [f32],
    /// How long a query, a key and a value are.
    pub(crate) width: usize,
    /// What the products of queries and keys are multiplied with.
    pub(crate) scale: f32,
    /// One row for each query.
    pub(crate) out: &'a mut [f32],
}

impl Attend<'_> {
    /// Computes it.
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let places = self.keys.len() / self.width;
        let mut scores = vec![0.0; places];
        for (query, out) in self.queries.chunks_exact(self.width).zip(self.out.chunks_exact_mut(self.width)) {
            strip_of_one(simd, query, self.keys, self.width, &mut scores);
            let mut highest = f32::NEG_INFINITY;
            for score in &mut scores {
                *score *= self.scale;
                highest = highest.max(*score);
            }
            let mut total = 0.0;
            for score in &mut scores {
                *score = (*score - highest).exp();
                total += *score;
            }
            out.fill(0.0);
            for (score, value) in scores.iter().zip(self.values.chunks_exact(self.width)) {
                let share = *score / total;
                for (out, value) in out.iter_mut().zip(value) {
                    *out += share * value;
                }
            }
        }
    }
}

/// One query with every key.
#[inline(always)]
fn strip_of_one<S: Simd>(simd: S, query: &[f32], keys: &[f32], width: usize, scores: &mut [f32]) {
    rows_of(simd, [query], keys, width, scores, keys.len() / width);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        (0..count as u32).map(|at| ((at * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
    }

    #[test]
    fn a_product_has_the_same_bits_however_many_rows_are_multiplied() {
        let cols = 77;
        let (weights, x) = (numbers(ROWS * cols, 1), numbers(11 * cols, 2));
        let product = |x: &[f32]| {
            struct Strip<'a>(&'a [f32], &'a [f32], usize);
            impl WithSimd for Strip<'_> {
                type Output = Vec<f32>;

                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
                    let mut out = vec![0.0; self.0.len() / self.2 * (self.1.len() / self.2)];
                    strip(simd, self.0, self.1, self.2, &mut out);
                    out
                }
            }
            Arch::new().dispatch(Strip(&weights, x, cols))
        };
        let together = product(&x);
        for (at, x) in x.chunks_exact(cols).enumerate() {
            let alone = product(x);
            for row in 0..ROWS {
                assert_eq!(alone[row].to_bits(), together[row * 11 + at].to_bits());
                assert_eq!(alone[row].to_bits(), dot(&weights[row * cols..(row + 1) * cols], x).to_bits());
            }
        }
    }
}
