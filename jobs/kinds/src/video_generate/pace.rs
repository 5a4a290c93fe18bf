//! How time is shared out: whole frames that add up exactly.

use super::Tone;

/// Splits `total` frames by weight, by largest remainder: the parts add up to `total`, whatever the weights.
pub(super) fn split(total: u32, weights: &[f64]) -> Vec<u32> {
    let sum: f64 = weights.iter().sum();
    if weights.is_empty() || sum <= 0.0 {
        return vec![total; weights.len().min(1)];
    }
    let shares: Vec<f64> = weights.iter().map(|weight| weight / sum * f64::from(total)).collect();
    let mut parts: Vec<u32> = shares.iter().map(|share| share.floor() as u32).collect();
    let mut left = total - parts.iter().sum::<u32>();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by(|a, b| shares[*b].fract().total_cmp(&shares[*a].fract()).then(a.cmp(b)));
    for index in by_remainder.into_iter().cycle() {
        if left == 0 {
            break;
        }
        parts[index] += 1;
        left -= 1;
    }
    parts
}

/// Letters per second that captions of this tone are read at; 17 is the usual limit for grown-ups.
pub(super) fn letters_per_second(tone: Tone) -> f64 {
    match tone {
        Tone::Professional => 14.5,
        Tone::Friendly => 15.0,
        Tone::Energetic => 17.0,
        Tone::Calm => 12.0,
        Tone::Dramatic => 12.5,
    }
}

/// The opening title, the closing title, in seconds.
pub(super) fn ends(duration_s: f64) -> (f64, f64) {
    ((duration_s * 0.12).clamp(2.8, 4.0), (duration_s * 0.08).clamp(1.8, 3.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_exactly_and_follow_their_weights() {
        let mut state = 1u64;
        for total in [1, 7, 449, 900, 10_799] {
            for count in 1..20 {
                let weights: Vec<f64> = (0..count)
                    .map(|_| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 40) as f64 + 0.1
                    })
                    .collect();
                let parts = split(total, &weights);
                assert_eq!(parts.iter().sum::<u32>(), total);
                let sum: f64 = weights.iter().sum();
                for (part, weight) in parts.iter().zip(&weights) {
                    assert!((f64::from(*part) - weight / sum * f64::from(total)).abs() <= 1.0);
                }
            }
        }
    }
}
