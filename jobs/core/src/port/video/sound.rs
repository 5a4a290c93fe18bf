//! What is heard: music, and sound of sources.

use serde::{Deserialize, Serialize};

/// What is heard in a film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Under everything, from the first frame to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music: Option<Music>,
    /// At their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clips: Vec<SoundClip>,
    /// The film's integrated loudness by EBU R 128, in LUFS.
    pub loudness_lufs: f32,
}

/// What plays under everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Music {
    /// What is played; it starts again when it is shorter than the film.
    pub tune: Tune,
    /// As a factor.
    pub gain: f32,
    /// The factor on top of `gain` while a clip is heard, from 0 (silent) to 1 (not turned down).
    pub ducked: f32,
    /// At the start.
    pub fade_in_ms: u32,
    /// At the end.
    pub fade_out_ms: u32,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Tune {
    /// Music that the engine makes.
    Made {
        /// What it sounds like.
        mood: Mood,
        /// Chooses key and variation.
        seed: u64,
    },
    /// The sound of a source.
    Source {
        /// Its place in the sources of the film.
        source: usize,
    },
}

/// The sound of a source at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundClip {
    /// Its place in the sources of the film.
    pub source: usize,
    /// Where in the source it starts.
    pub from_ms: u32,
    /// The frame of the film on which it starts.
    pub start_frame: u32,
    /// How long it is heard at most.
    pub frames: u32,
    /// As a factor.
    pub gain: f32,
    /// At its start.
    pub fade_in_ms: u32,
    /// At its end.
    pub fade_out_ms: u32,
}

/// What music sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Steady and bright, in the background.
    Confident,
    /// Plucked and warm.
    Warm,
    /// Fast, with a beat.
    Driving,
    /// Slow and soft.
    Still,
    /// Minor and wide, with a slow pulse.
    Tense,
}
