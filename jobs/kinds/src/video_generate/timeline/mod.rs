//! A timeline: clips on tracks, and scenes, as clients write them.
//!
//! The form is that of Shotstack's `tracks` and `clips`, which are taken as they are, with additions of our own. Everything here
//! is pure: `merge` puts values into a template, `check` names what is wrong, `compile` makes the film that an engine renders.

mod asset;
mod caption;
mod check;
mod clip;
mod compile;
mod merge;
mod output;
mod placing;
mod schema;
mod text;
mod timing;

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use asset::Src;
pub(super) use compile::{Found, compile};
pub(super) use merge::tidy;

use self::{
    asset::{Asset, Background, Hex, SoundEffect},
    clip::{Clip, SceneTransition},
    merge::MergeField,
    output::TimelineOutput,
};

/// A film that is said clip by clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct TimelineRequest {
    /// What is seen and heard, and when.
    pub timeline: Timeline,
    /// Size, rate, format and quality.
    #[serde(default)]
    pub output: TimelineOutput,
    /// Values for the placeholders `{{name}}` in the timeline and the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub merge: Vec<MergeField>,
    /// The title in the file's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub title: Option<String>,
    /// The language of the texts, as a BCP 47 tag.
    #[schemars(length(max = 35), regex(pattern = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What is seen and heard, and when. Times are seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Timeline {
    /// What is seen where no clip is.
    pub background: Hex,
    /// Music under everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soundtrack: Option<Soundtrack>,
    /// Fonts for the texts, besides the bundled ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub fonts: Vec<Font>,
    /// Scenes, one after the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub scenes: Vec<Scene>,
    /// Tracks of clips over the scenes, the first on top.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub tracks: Vec<Track>,
}

/// Music under everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Soundtrack {
    /// A URL; or `generator:` and `confident`, `warm`, `driving`, `still` or `tense`, for music that is made for the film.
    pub src: Src,
    /// How it begins and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<SoundEffect>,
    /// As a factor.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 4))]
    pub volume: f32,
    /// Whether it is turned down while a clip is heard.
    #[serde(default = "yes")]
    pub duck: bool,
}

/// A font file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Font {
    /// The URL of a TrueType or OpenType file. Texts name it by the family in it.
    pub src: Src,
}

/// Clips that follow each other, or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Track {
    /// The clips.
    #[schemars(length(min = 1, max = 200))]
    pub clips: Vec<Clip>,
}

/// A stretch of the film with a background of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Scene {
    /// A name, for logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    pub id: Option<String>,
    /// How long it lasts.
    #[schemars(range(min = 0.1, max = 600))]
    pub duration: f64,
    /// What fills the picture; else the timeline's background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// How it takes over from the scene before. It takes no time of its own: both are seen meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<SceneTransition>,
    /// What lies on it, the first at the bottom. Their times are the scene's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub elements: Vec<Clip>,
}

impl TimelineRequest {
    /// What the schema cannot say. Pointers are relative to the request.
    pub(super) fn faults(&self) -> Vec<jobs_core::Fault> {
        check::faults(self)
    }

    /// The length in seconds, as far as it is known before the sources are.
    pub(super) fn seconds(&self) -> Option<f64> {
        timing::Times::of(&self.timeline, &|_| None).ok().filter(|times| times.is_known).map(|times| times.seconds)
    }

    /// Every file that has to be there, with the pointer to where it is named, each once.
    pub(super) fn sources(&self) -> Vec<(String, &Src)> {
        let mut named: Vec<(String, &Src)> = Vec::new();
        let timeline = &self.timeline;
        if let Some(track) = &timeline.soundtrack {
            named.push(("/timeline/soundtrack/src".to_owned(), &track.src));
        }
        for (index, font) in timeline.fonts.iter().enumerate() {
            named.push((format!("/timeline/fonts/{index}/src"), &font.src));
        }
        for (index, scene) in timeline.scenes.iter().enumerate() {
            if let Some(src) = scene.background.as_ref().and_then(Background::src) {
                named.push((format!("/timeline/scenes/{index}/background/src"), src));
            }
        }
        for (pointer, clip) in timeline.clips() {
            if let Some(src) = clip.asset.src() {
                named.push((format!("{pointer}/asset/src"), src));
            }
        }
        named.retain(|(_, src)| src.mood().is_none());
        let mut seen = std::collections::BTreeSet::new();
        named.retain(|(_, src)| seen.insert(src.as_str()));
        named
    }
}

impl Timeline {
    /// Every clip, with the pointer to it.
    fn clips(&self) -> impl Iterator<Item = (String, &Clip)> {
        let scenes = self.scenes.iter().enumerate().flat_map(|(scene, of)| {
            let name = move |at: usize| format!("/timeline/scenes/{scene}/elements/{at}");
            of.elements.iter().enumerate().map(move |(at, clip)| (name(at), clip))
        });
        let tracks = self.tracks.iter().enumerate().flat_map(|(track, of)| {
            let name = move |at: usize| format!("/timeline/tracks/{track}/clips/{at}");
            of.clips.iter().enumerate().map(move |(at, clip)| (name(at), clip))
        });
        scenes.chain(tracks)
    }
}

fn one() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}
