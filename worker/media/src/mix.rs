//! Everything that is heard, mixed: clips at their times, music under them.

use jobs_core::port::video::{Film, Music, RenderError, RenderFault, Tune};

use crate::{
    hear, loudness,
    music::{self, RATE},
};

/// How loud the music that we make is before its volume, in LUFS: about as a record that was not mastered to be loud.
const MADE_LUFS: f64 = -18.0;

/// What is louder is heard: then the music goes down.
const AUDIBLE: f32 = 0.006;

/// Loudness is looked at in pieces of this many samples: 10 ms.
const PIECE: usize = RATE as usize / 100;
/// The music goes down so many pieces before a clip is heard, and stays down so many after it.
const BEFORE: usize = 15;
const AFTER: usize = 35;
/// How much of the way it goes in a piece, down and up.
const DOWN: f32 = 0.16;
const UP: f32 = 0.035;

/// The soundtrack, left and right interleaved, and its loudness in LUFS; none when nothing is heard.
pub(crate) fn mix(
    film: &Film,
    go_on: &dyn Fn() -> Result<(), RenderError>,
) -> Result<(Vec<f32>, Option<f32>), RenderError> {
    let at = |frame: u32| (u64::from(frame) * u64::from(RATE) / u64::from(film.output.fps)) as usize;
    let frames = at(film.frames());
    let mut sound = vec![0.0f32; frames * 2];
    for clip in &film.sound.clips {
        go_on()?;
        let start = at(clip.start_frame).min(frames);
        let most = at(clip.start_frame + clip.frames).min(frames) - start;
        let mut samples = hear::decode(known(film, clip.source)?, clip.from_ms, most)?;
        // Without fades it would click where it is cut.
        music::fade(&mut samples, clip.fade_in_ms.max(5), clip.fade_out_ms.max(5));
        sound[start * 2..].iter_mut().zip(&samples).for_each(|(to, from)| *to += from * clip.gain);
    }
    go_on()?;
    if let Some(music) = &film.sound.music {
        let mut under = tune(film, music, frames)?;
        music::fade(&mut under, music.fade_in_ms, music.fade_out_ms);
        let gains = if music.ducked < 1.0 { duck(&sound, music.ducked) } else { Vec::new() };
        for (index, (to, from)) in sound.iter_mut().zip(&under).enumerate() {
            *to += from * music.gain * gain_at(&gains, index / 2);
        }
    }
    go_on()?;
    let target = f64::from(film.sound.loudness_lufs);
    let landed = loudness::normalise(&mut sound, target).map_err(unmeasured)?;
    Ok((sound, landed.is_finite().then_some(landed as f32)))
}

fn unmeasured(error: ebur128::Error) -> RenderError {
    RenderError::new(RenderFault::EncodeFailed, format!("cannot measure loudness: {error}"))
}

fn known(film: &Film, source: usize) -> Result<&jobs_core::port::video::Source, RenderError> {
    let missing = || RenderError::new(RenderFault::TimelineInvalid, format!("there is no source {source}"));
    film.sources.get(source).ok_or_else(missing)
}

/// The music, as long as the film.
fn tune(film: &Film, music: &Music, frames: usize) -> Result<Vec<f32>, RenderError> {
    match music.tune {
        Tune::Made { mood, seed } => {
            let mut made = music::compose(mood, seed, frames);
            // Alone, it is brought to the film's loudness anyway.
            if !film.sound.clips.is_empty() {
                let loud = loudness::measure(&made).map_err(unmeasured)?;
                let gain = 10f64.powf((MADE_LUFS - loud) / 20.0) as f32;
                if gain.is_finite() {
                    made.iter_mut().for_each(|sample| *sample *= gain);
                }
            }
            Ok(made)
        }
        Tune::Source { source } => {
            let once = hear::decode(known(film, source)?, 0, frames)?;
            Ok(if once.is_empty() {
                vec![0.0; frames * 2]
            } else {
                once.iter().copied().cycle().take(frames * 2).collect()
            })
        }
    }
}

/// The gain of the music at the end of each piece.
fn duck(voices: &[f32], ducked: f32) -> Vec<f32> {
    let audible: Vec<bool> = voices
        .chunks(PIECE * 2)
        .map(|piece| (piece.iter().map(|sample| sample * sample).sum::<f32>() / piece.len() as f32).sqrt() > AUDIBLE)
        .collect();
    let mut gain = 1.0f32;
    let mut gains = Vec::with_capacity(audible.len());
    for index in 0..audible.len() {
        let near = &audible[index.saturating_sub(AFTER)..(index + BEFORE).min(audible.len())];
        let target = if near.contains(&true) { ducked } else { 1.0 };
        gain += (target - gain) * if target < gain { DOWN } else { UP };
        gains.push(gain);
    }
    gains
}

/// The gain of a sample, on the line between two pieces: steps would be heard.
fn gain_at(gains: &[f32], frame: usize) -> f32 {
    let (piece, within) = (frame / PIECE, (frame % PIECE) as f32 / PIECE as f32);
    let Some(end) = gains.get(piece) else { return 1.0 };
    let start = if piece == 0 { *end } else { gains[piece - 1] };
    start + (end - start) * within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn music_goes_down_before_a_voice_and_comes_back_after_it() {
        let second = RATE as usize * 2;
        let mut voices = vec![0.0; second * 6];
        voices[second * 2..second * 3].fill(0.3);
        let gains = duck(&voices, 0.2);
        let at = |seconds: f32| gain_at(&gains, (seconds * RATE as f32) as usize);
        assert!(at(1.0) > 0.99 && at(2.0) < 0.4 && at(2.9) < 0.21, "{} {} {}", at(1.0), at(2.0), at(2.9));
        assert!(at(5.9) > 0.95, "{}", at(5.9));
        let steps =
            (0..second * 3).step_by(48).map(|frame| (gain_at(&gains, frame) - gain_at(&gains, frame + 48)).abs());
        assert!(steps.fold(0.0, f32::max) < 0.03);
    }
}
