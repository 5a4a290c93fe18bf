//! How loud a soundtrack is, and making it as loud as asked.

use std::collections::VecDeque;

use ebur128::{EbuR128, Mode};

use crate::music::RATE;

/// No sample goes over this: 1.5 dB under full scale, which leaves room for what AAC adds.
const CEILING: f32 = 0.841;

/// How far the limiter looks ahead: 5 ms.
const LOOK_AHEAD: usize = RATE as usize / 200;

/// Integrated loudness by EBU R 128 in LUFS, of left and right interleaved; minus infinity for silence.
pub(crate) fn measure(samples: &[f32]) -> Result<f64, ebur128::Error> {
    let mut meter = EbuR128::new(2, RATE, Mode::I)?;
    meter.add_frames_f32(samples)?;
    meter.loudness_global()
}

/// Brings `samples` to `target_lufs` under the ceiling, and returns where they landed.
pub(crate) fn normalise(samples: &mut [f32], target_lufs: f64) -> Result<f64, ebur128::Error> {
    let mut measured = measure(samples)?;
    // The limiter takes a little away, so the second and third turn give it back.
    for _ in 0..4 {
        if !measured.is_finite() || (measured - target_lufs).abs() < 0.05 {
            break;
        }
        let gain = 10f64.powf((target_lufs - measured) / 20.0) as f32;
        samples.iter_mut().for_each(|sample| *sample *= gain);
        limit(samples);
        measured = measure(samples)?;
    }
    Ok(measured)
}

/// Turns both sides down together just before a peak, and back up slowly after it.
fn limit(samples: &mut [f32]) {
    let frames = samples.len() / 2;
    let needed: Vec<f32> = samples
        .chunks_exact(2)
        .map(|pair| (CEILING / pair[0].abs().max(pair[1].abs()).max(CEILING)).min(1.0))
        .collect();
    // The lowest gain needed within the look-ahead, by a queue that only keeps candidates.
    let mut queue: VecDeque<usize> = VecDeque::new();
    let mut gain = 1.0f32;
    let mut ahead = 0;
    // Full attack within the look-ahead; release in about 100 ms.
    let attack = 1.0 - (-6.0 / LOOK_AHEAD as f32).exp();
    for index in 0..frames {
        while ahead < frames.min(index + LOOK_AHEAD) {
            while queue.back().is_some_and(|last| needed[*last] >= needed[ahead]) {
                queue.pop_back();
            }
            queue.push_back(ahead);
            ahead += 1;
        }
        while queue.front().is_some_and(|first| *first < index) {
            queue.pop_front();
        }
        let lowest = queue.front().map_or(1.0, |first| needed[*first]);
        gain += (lowest - gain) * if lowest < gain { attack } else { 0.0002 };
        // What the smooth attack has not reached yet must not pass.
        let now = gain.min(needed[index]);
        samples[index * 2] *= now;
        samples[index * 2 + 1] *= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bursts() -> Vec<f32> {
        (0..RATE as usize * 4)
            .flat_map(|index| {
                let loud = if index / 4800 % 5 == 0 { 0.9 } else { 0.05 };
                let sample = (index as f32 * 0.05).sin() * loud;
                [sample, sample * 0.7]
            })
            .collect()
    }

    #[test]
    fn a_soundtrack_lands_on_its_loudness_and_under_the_ceiling() {
        let mut samples = bursts();
        let landed = normalise(&mut samples, -14.0).expect("measurable");
        assert!((landed + 14.0).abs() < 0.3, "{landed}");
        assert!(samples.iter().all(|sample| sample.abs() <= CEILING + 1e-4));
    }

    #[test]
    fn silence_stays_silent() {
        let mut samples = vec![0.0; RATE as usize * 2];
        assert!(!normalise(&mut samples, -14.0).expect("measurable").is_finite());
        assert!(samples.iter().all(|sample| *sample == 0.0));
    }
}
