//! When clips are seen: what `auto` and `end` mean, in seconds of the film.

use jobs_core::Fault;

use super::{
    Asset, Clip, Timeline,
    caption::reading_seconds,
    clip::{Length, Start},
};

/// A film is at most this long, in seconds.
pub(super) const MAX_SECONDS: f64 = 600.0;

/// How long is seen what has no length of its own.
const STILL_SECONDS: f64 = 3.0;

/// When everything is seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Times {
    /// Of the film.
    pub(super) seconds: f64,
    /// For each scene, each of its elements; from the start of the scene.
    pub(super) scenes: Vec<Vec<Span>>,
    /// For each track, each of its clips.
    pub(super) tracks: Vec<Vec<Span>>,
    /// Whether every length is known: those of sources are not before somebody has looked at them.
    pub(super) is_known: bool,
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Times {
    /// The times of a timeline, given how long the asset of a clip is, where that is known.
    ///
    /// # Errors
    /// All clips whose times cannot be.
    pub(super) fn of(timeline: &Timeline, asset_seconds: &dyn Fn(&Clip) -> Option<f64>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut is_known = true;
        let scenes_seconds: f64 = timeline.scenes.iter().map(|scene| scene.duration).sum();
        let mut seconds = scenes_seconds;
        let mut tracks: Vec<Vec<(f64, Option<f64>)>> = Vec::new();
        for (index, track) in timeline.tracks.iter().enumerate() {
            let mut spans: Vec<(f64, Option<f64>)> = Vec::new();
            for (at, clip) in track.clips.iter().enumerate() {
                let before = spans.last().map_or(Some(0.0), |(_, end)| *end);
                let start = match (clip.start, before) {
                    (Start::At(start), _) => start,
                    (Start::Auto, Some(end)) => end,
                    (Start::Auto, None) => {
                        let pointer = format!("/timeline/tracks/{index}/clips/{at}/start");
                        faults.push(Fault::new(pointer, "cannot follow a clip that lasts until the end"));
                        0.0
                    }
                };
                let length = length(clip, asset_seconds, &mut is_known);
                let end = length.map(|length| start + length);
                seconds = seconds.max(end.unwrap_or(start));
                spans.push((start, end));
            }
            tracks.push(spans);
        }
        if seconds <= 0.0 {
            faults.push(Fault::new(
                "/timeline",
                "nothing says how long the film is: no scene, and no clip with a length",
            ));
        }
        // A thousandth: sums of decimal fractions are not exact.
        if seconds > MAX_SECONDS + 1e-3 {
            faults.push(Fault::new("/timeline", format!("{seconds:.1} seconds are more than {MAX_SECONDS}")));
        }
        let until = |spans: Vec<(f64, Option<f64>)>, end: f64| -> Vec<Span> {
            spans.into_iter().map(|(start, own)| Span { start, end: own.unwrap_or(end) }).collect()
        };
        let mut scenes = Vec::new();
        for (index, scene) in timeline.scenes.iter().enumerate() {
            let mut spans = Vec::new();
            for (at, clip) in scene.elements.iter().enumerate() {
                let start = if let Start::At(start) = clip.start { start } else { 0.0 };
                if start >= scene.duration {
                    let pointer = format!("/timeline/scenes/{index}/elements/{at}/start");
                    faults.push(Fault::new(pointer, "starts after its scene has ended"));
                }
                // In a scene, what has no length of its own stays until its end.
                let own = match clip.length {
                    Length::Auto if !has_length(&clip.asset) => None,
                    _ => length(clip, asset_seconds, &mut is_known),
                };
                spans.push((start, own.map(|own| (start + own).min(scene.duration))));
            }
            scenes.push(until(spans, scene.duration));
        }
        for (index, spans) in tracks.iter().enumerate() {
            for (at, (start, end)) in spans.iter().enumerate() {
                if end.is_none() && is_known && seconds > 0.0 && *start >= seconds {
                    let pointer = format!("/timeline/tracks/{index}/clips/{at}/start");
                    faults.push(Fault::new(pointer, "starts when everything else has ended"));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { seconds, scenes, tracks: tracks.into_iter().map(|spans| until(spans, seconds)).collect(), is_known })
    }
}

fn has_length(asset: &Asset) -> bool {
    matches!(asset, Asset::Video(_) | Asset::Audio(_) | Asset::Caption(_))
}

/// How long a clip lasts; none when that is until the end.
fn length(clip: &Clip, asset_seconds: &dyn Fn(&Clip) -> Option<f64>, is_known: &mut bool) -> Option<f64> {
    match clip.length {
        Length::For(seconds) => Some(seconds),
        Length::End => None,
        Length::Auto => Some(match &clip.asset {
            Asset::Caption(caption) => reading_seconds(&caption.text),
            Asset::Video(_) | Asset::Audio(_) => match asset_seconds(clip) {
                Some(seconds) => (seconds - clip.asset.trim()).max(0.1),
                None => {
                    *is_known = false;
                    STILL_SECONDS
                }
            },
            _ => STILL_SECONDS,
        }),
    }
}
