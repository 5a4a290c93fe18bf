//! Music: a chord pad, a bass, plucked notes and a soft beat, all computed here.
//!
//! The same mood and seed always give the same piece; there is nothing to license.

use jobs_core::port::video::Mood;

use crate::room;

/// Samples per second of all sound here.
pub(crate) const RATE: u32 = 48_000;

/// How a mood is played.
struct Arrangement {
    beats_per_minute: f32,
    /// Chords, each four notes in semitones above the key.
    chords: &'static [[i32; 4]],
    beats_per_chord: u32,
    pad: f32,
    bass: f32,
    /// The bass is struck on these of eight half beats.
    bass_steps: &'static [u32],
    pluck: f32,
    /// Notes of the chord (4 and up an octave higher) on half beats; -1 is a rest.
    pluck_steps: &'static [i32],
    kick: f32,
    kick_steps: &'static [u32],
    hat: f32,
}

/// I V vi IV.
const BRIGHT: [[i32; 4]; 4] = [[0, 4, 7, 14], [-5, 2, 7, 11], [-3, 0, 4, 12], [-7, 0, 5, 9]];
/// I vi IV V, with added notes.
const GENTLE: [[i32; 4]; 4] = [[0, 4, 7, 11], [-3, 4, 7, 12], [-7, 0, 4, 9], [-5, 2, 5, 11]];
/// Imaj7 IVmaj7.
const CALM: [[i32; 4]; 2] = [[0, 4, 7, 11], [-7, 0, 4, 9]];
/// i VI III VII.
const DARK: [[i32; 4]; 4] = [[0, 3, 7, 12], [-4, 0, 3, 8], [-9, 3, 7, 10], [-2, 2, 5, 10]];

fn arrangement(mood: Mood) -> Arrangement {
    match mood {
        Mood::Confident => Arrangement {
            beats_per_minute: 100.0,
            chords: &BRIGHT,
            beats_per_chord: 4,
            pad: 0.9,
            bass: 0.8,
            bass_steps: &[0, 3, 6],
            pluck: 0.45,
            pluck_steps: &[0, 2, 4, 2, 3, 5, 4, 2],
            kick: 0.5,
            kick_steps: &[0, 4],
            hat: 0.05,
        },
        Mood::Warm => Arrangement {
            beats_per_minute: 92.0,
            chords: &GENTLE,
            beats_per_chord: 4,
            pad: 0.7,
            bass: 0.7,
            bass_steps: &[0, 4, 7],
            pluck: 0.8,
            pluck_steps: &[0, -1, 2, 4, -1, 3, 5, -1],
            kick: 0.35,
            kick_steps: &[0, 5],
            hat: 0.04,
        },
        Mood::Driving => Arrangement {
            beats_per_minute: 122.0,
            chords: &BRIGHT,
            beats_per_chord: 4,
            pad: 0.7,
            bass: 1.0,
            bass_steps: &[0, 1, 3, 4, 6, 7],
            pluck: 0.55,
            pluck_steps: &[4, 2, 5, 3, 6, 3, 5, 2],
            kick: 1.0,
            kick_steps: &[0, 2, 4, 6],
            hat: 0.11,
        },
        Mood::Still => Arrangement {
            beats_per_minute: 62.0,
            chords: &CALM,
            beats_per_chord: 4,
            pad: 1.0,
            bass: 0.5,
            bass_steps: &[0],
            pluck: 0.4,
            pluck_steps: &[4, -1, -1, 6, -1, 5, -1, -1],
            kick: 0.0,
            kick_steps: &[],
            hat: 0.0,
        },
        Mood::Tense => Arrangement {
            beats_per_minute: 76.0,
            chords: &DARK,
            beats_per_chord: 4,
            pad: 1.0,
            bass: 0.9,
            bass_steps: &[0, 2, 4, 6],
            pluck: 0.3,
            pluck_steps: &[4, -1, 5, -1, 4, -1, 6, -1],
            kick: 0.7,
            kick_steps: &[0],
            hat: 0.0,
        },
    }
}

/// `frames` samples of left and right, interleaved.
pub(crate) fn compose(mood: Mood, seed: u64, frames: usize) -> Vec<f32> {
    let plan = arrangement(mood);
    // D to A: low enough for a bass, high enough for small speakers.
    let key = 50 + (seed % 8) as i32;
    let half_beat = (f64::from(RATE) * 30.0 / f64::from(plan.beats_per_minute)) as usize;
    let chord_len = half_beat * 2 * plan.beats_per_chord as usize;
    let pad_wave = Wave::of(&[1.0, 0.45, 0.28, 0.14, 0.08, 0.05]);
    let bass_wave = Wave::of(&[1.0, 0.4, 0.12]);
    let pluck_wave = Wave::of(&[1.0, 0.3, 0.35, 0.1, 0.12]);
    let mut dry = Stereo::silence(frames);
    let mut wet = Stereo::silence(frames);
    for (index, start) in (0..frames).step_by(chord_len).enumerate() {
        let chord = plan.chords[index % plan.chords.len()];
        // Two chords alone first: the piece comes in as the title does.
        let full = index >= 1;
        for (voice, note) in chord.into_iter().enumerate() {
            let pan = [-0.6, 0.5, -0.2, 0.3][voice];
            for (detune, side) in [(0.9985, -0.3), (1.0015, 0.3)] {
                let shape = Envelope { attack: chord_len / 4, release: chord_len / 3, decay: 0.0 };
                let gain = plan.pad * 0.05;
                let sound = Note { hz: hz(key + note) * detune, gain, pan: pan + side, shape };
                wet.add(start, chord_len + chord_len / 4, &pad_wave, sound);
            }
        }
        for step in 0..(chord_len / half_beat) as u32 {
            let at = start + step as usize * half_beat;
            let in_eight = step % 8;
            if full && plan.bass_steps.contains(&in_eight) {
                let root = key + chord[0] - if chord[0] > -3 { 24 } else { 12 };
                let shape = Envelope { attack: 400, release: 3000, decay: 1.6 };
                let sound = Note { hz: hz(root), gain: plan.bass * 0.2, pan: 0.0, shape };
                dry.add(at, half_beat * 2, &bass_wave, sound);
            }
            let pluck = plan.pluck_steps[(in_eight as usize + index) % plan.pluck_steps.len()];
            if pluck >= 0 {
                let octave = 12 + 12 * (pluck / 4);
                let note = key + chord[pluck as usize % 4] + octave;
                let pan = if step % 2 == 0 { -0.5 } else { 0.5 };
                let shape = Envelope { attack: 120, release: 2000, decay: 5.0 };
                let gain = plan.pluck * if in_eight == 0 { 0.075 } else { 0.055 };
                wet.add(at, half_beat * 3, &pluck_wave, Note { hz: hz(note), gain, pan, shape });
            }
            if full && plan.kick_steps.contains(&in_eight) {
                kick(&mut dry, at, plan.kick * 0.3);
            }
            if full && step % 2 == 1 {
                hat(&mut dry, at, plan.hat, seed ^ at as u64);
            }
        }
    }
    room::reverb(&mut wet.samples);
    dry.samples.iter().zip(&wet.samples).map(|(dry, wet)| dry + wet).collect()
}

/// Fades the ends, so that neither clicks.
pub(crate) fn fade(samples: &mut [f32], fade_in_ms: u32, fade_out_ms: u32) {
    let frames = samples.len() / 2;
    let length = |ms: u32| (ms as usize * RATE as usize / 1000).clamp(1, frames.max(1));
    let (rise, fall) = (length(fade_in_ms), length(fade_out_ms));
    for (index, pair) in samples.chunks_exact_mut(2).enumerate() {
        let from_start = (index as f32 / rise as f32).min(1.0);
        let to_end = ((frames - 1 - index) as f32 / fall as f32).min(1.0);
        let gain = (from_start * to_end).powf(1.5);
        pair.iter_mut().for_each(|sample| *sample *= gain);
    }
}

fn hz(midi: i32) -> f32 {
    440.0 * 2f32.powf((midi - 69) as f32 / 12.0)
}

/// One period of a sound, as a table.
struct Wave(Vec<f32>);

impl Wave {
    const LEN: usize = 2048;

    fn of(harmonics: &[f32]) -> Self {
        let total: f32 = harmonics.iter().sum();
        let at = |index: usize| {
            let phase = index as f32 / Self::LEN as f32 * std::f32::consts::TAU;
            let parts = harmonics.iter().enumerate().map(|(n, gain)| (phase * (n + 1) as f32).sin() * gain);
            parts.sum::<f32>() / total
        };
        Self((0..Self::LEN).map(at).collect())
    }
}

/// How loud a note is over its time, in samples; `decay` is per second.
#[derive(Clone, Copy)]
struct Envelope {
    attack: usize,
    release: usize,
    decay: f32,
}

#[derive(Clone, Copy)]
struct Note {
    hz: f32,
    gain: f32,
    pan: f32,
    shape: Envelope,
}

struct Stereo {
    samples: Vec<f32>,
}

impl Stereo {
    fn silence(frames: usize) -> Self {
        Self { samples: vec![0.0; frames * 2] }
    }

    fn add(&mut self, start: usize, len: usize, wave: &Wave, note: Note) {
        let step = note.hz * Wave::LEN as f32 / RATE as f32;
        // Equal power: a sound in the middle is as loud as one at the side.
        let angle = (note.pan.clamp(-1.0, 1.0) + 1.0) * std::f32::consts::FRAC_PI_4;
        let (right, left) = angle.sin_cos();
        let fall = (-note.shape.decay / RATE as f32).exp();
        let (mut phase, mut body) = (note.hz % Wave::LEN as f32, note.gain);
        let total = self.samples.len() / 2;
        for index in 0..len.min(total.saturating_sub(start)) {
            let rise = (index as f32 / note.shape.attack as f32).min(1.0);
            let end = ((len - index) as f32 / note.shape.release as f32).min(1.0);
            let value = wave.0[phase as usize] * body * rise * end;
            let at = (start + index) * 2;
            self.samples[at] += value * left;
            self.samples[at + 1] += value * right;
            body *= fall;
            phase += step;
            if phase >= Wave::LEN as f32 {
                phase -= Wave::LEN as f32;
            }
        }
    }
}

/// A falling tone: a drum as heard through a wall.
fn kick(out: &mut Stereo, start: usize, gain: f32) {
    let len = RATE as usize / 4;
    let mut phase = 0.0f32;
    for (index, pair) in out.samples.chunks_exact_mut(2).skip(start).take(len).enumerate() {
        let t = index as f32 / RATE as f32;
        phase += (48.0 + 75.0 * (-t * 32.0).exp()) / RATE as f32;
        let rise = (index as f32 / 90.0).min(1.0);
        let value = (phase * std::f32::consts::TAU).sin() * (-t * 13.0).exp() * gain * rise;
        pair.iter_mut().for_each(|sample| *sample += value);
    }
}

/// A breath of high noise.
fn hat(out: &mut Stereo, start: usize, gain: f32, seed: u64) {
    if gain <= 0.0 {
        return;
    }
    let mut state = seed | 1;
    let mut before = 0.0f32;
    for (index, pair) in out.samples.chunks_exact_mut(2).skip(start).take(2600).enumerate() {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let noise = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let high = noise - before;
        before = noise;
        let value = high * gain * 0.5 * (-(index as f32) / 600.0).exp();
        pair[0] += value * 0.8;
        pair[1] += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mood_sounds_and_is_the_same_each_time() {
        for mood in [Mood::Confident, Mood::Warm, Mood::Driving, Mood::Still, Mood::Tense] {
            let piece = compose(mood, 7, RATE as usize * 4);
            assert_eq!(piece.len(), RATE as usize * 8);
            let loudest = piece.iter().fold(0.0f32, |max, sample| max.max(sample.abs()));
            assert!((0.05..4.0).contains(&loudest), "{mood:?} peaks at {loudest}");
            assert_eq!(piece, compose(mood, 7, RATE as usize * 4));
        }
    }

    #[test]
    fn a_faded_piece_starts_and_ends_in_silence() {
        let mut piece = vec![1.0; 9600];
        fade(&mut piece, 20, 20);
        assert_eq!((piece[0], piece[9599], piece[4800]), (0.0, 0.0, 1.0));
    }
}
