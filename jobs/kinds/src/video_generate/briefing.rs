//! The briefing: what somebody wants a film about.

use jobs_core::{Fault, port::video};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// What somebody wants a film about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Briefing {
    /// The title, shown first and last.
    #[schemars(length(min = 3, max = 200))]
    pub title: String,
    /// What the film tells: its sentences become scenes and captions, as many as there is time for.
    #[schemars(length(min = 10, max = 5000))]
    pub description: String,
    /// The length of the film in seconds.
    #[schemars(range(min = 15, max = 180))]
    #[serde(serialize_with = "without_needless_fraction")]
    pub duration: f64,
    /// What the film looks like.
    pub style: Style,
    /// How it is told: pace, transitions and music.
    pub tone: Tone,
    /// The language of the texts, as a BCP 47 tag.
    #[schemars(length(max = 35), regex(pattern = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What the captions say, instead of the description.
    #[schemars(length(min = 10, max = 5000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Chooses colours, shapes and music; from the texts when left out. The same briefing and seed give the same film.
    // As far as every reader of JSON counts exactly (RFC 8259, 6).
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Size, rate and quality of the picture.
    #[serde(default)]
    pub output: OutputOptions,
}

/// What the film looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Style {
    /// Paper, ink, thin lines.
    Minimal,
    /// Deep colours, slanted panels.
    Corporate,
    /// Dark, wide, with light that moves.
    Cinematic,
    /// Bright, with bouncing circles.
    Playful,
    /// Heavy blocks and letters.
    Bold,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Minimal, Self::Corporate, Self::Cinematic, Self::Playful, Self::Bold];
}

/// How the film is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Tone {
    /// Steady.
    Professional,
    /// Warm.
    Friendly,
    /// Fast.
    Energetic,
    /// Slow.
    Calm,
    /// With pauses.
    Dramatic,
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Professional, Self::Friendly, Self::Energetic, Self::Calm, Self::Dramatic];
}

/// Size, rate and quality of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct OutputOptions {
    /// Pixels, an even number. Higher than wide makes an upright film.
    #[schemars(range(min = 160, max = 3840), extend("multipleOf" = 2))]
    pub width: u32,
    /// Pixels, an even number.
    #[schemars(range(min = 160, max = 3840), extend("multipleOf" = 2))]
    pub height: u32,
    /// Frames per second.
    #[schemars(range(min = 10, max = 60))]
    pub fps: u32,
    /// How much work goes into the picture.
    pub quality: Quality,
}

impl Default for OutputOptions {
    fn default() -> Self {
        Self { width: 1920, height: 1080, fps: 30, quality: Quality::Medium }
    }
}

/// How much work goes into the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Quality {
    /// For a preview.
    Draft,
    /// For the web.
    Medium,
    /// For further editing.
    High,
}

/// More than UHD is refused.
const MAX_PIXELS: u32 = 3840 * 2160;

impl Briefing {
    /// A briefing that a reader of the documentation can submit as it is.
    pub(super) fn example() -> Self {
        Self {
            title: "Meet Longshore".to_owned(),
            description: "Longshore takes slow work off your hands. Send a task and get an answer at once. Workers do \
                          the rest, tell you how far they are, and call you back when it is done."
                .to_owned(),
            duration: 20.0,
            style: Style::Corporate,
            tone: Tone::Friendly,
            language: None,
            script: None,
            seed: None,
            output: OutputOptions::default(),
        }
    }

    /// What the schema cannot say.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let OutputOptions { width, height, .. } = self.output;
        let mut faults = Vec::new();
        if width.saturating_mul(height) > MAX_PIXELS {
            faults.push(Fault::new("/output", format!("{width} x {height} is more than {MAX_PIXELS} pixels")));
        }
        if width.max(height) > width.min(height) * 4 {
            faults.push(Fault::new("/output", format!("{width} x {height} is narrower than 1 : 4")));
        }
        for (pointer, text) in [("/description", Some(&self.description)), ("/script", self.script.as_ref())] {
            if text.is_some_and(|text| !text.chars().any(char::is_alphanumeric)) {
                faults.push(Fault::new(pointer, "has no letter or digit"));
            }
        }
        faults
    }

    /// What the captions say.
    pub(super) fn narration(&self) -> &str {
        self.script.as_deref().unwrap_or(&self.description)
    }

    /// The seed, or one from the texts (FNV-1a).
    pub(super) fn seed(&self) -> u64 {
        let hash = |text: &str| {
            text.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        };
        self.seed.unwrap_or_else(|| hash(&self.title) ^ hash(self.narration()).rotate_left(17))
    }
}

impl From<Quality> for video::Quality {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::Draft => Self::Draft,
            Quality::Medium => Self::Medium,
            Quality::High => Self::High,
        }
    }
}

/// Takes white space off the ends of texts and choices.
pub(super) fn tidy(input: &mut Value) {
    for field in ["title", "description", "script", "language", "style", "tone"] {
        if let Some(Value::String(text)) = input.get_mut(field) {
            let trimmed = text.trim();
            if trimmed.len() != text.len() {
                *text = trimmed.to_owned();
            }
        }
    }
}

/// 30 stays 30: clients compare what they sent with what they see.
fn without_needless_fraction<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if seconds.fract() == 0.0 && seconds.abs() < 1e9 {
        serializer.serialize_i64(*seconds as i64)
    } else {
        serializer.serialize_f64(*seconds)
    }
}

#[cfg(test)]
mod tests {
    use jobs_core::schema::Schema;
    use serde_json::json;

    use super::*;

    fn pointers(mut input: Value) -> Vec<String> {
        tidy(&mut input);
        let mut pointers: Vec<String> =
            Schema::of::<Briefing>().check(&input).into_iter().map(|fault| fault.pointer).collect();
        pointers.sort();
        pointers.dedup();
        pointers
    }

    #[test]
    fn the_example_is_valid_and_reads_back_as_it_is_written() {
        let example = serde_json::to_value(Briefing::example()).expect("json");
        assert_eq!(example["duration"], json!(20));
        assert_eq!(pointers(example.clone()), Vec::<String>::new());
        assert_eq!(serde_json::from_value::<Briefing>(example).expect("a briefing"), Briefing::example());
        assert_eq!(Briefing::example().faults(), []);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let input = json!({
            "title": "  ab ", "description": "short", "duration": 200, "style": "fancy", "tone": "shouting",
            "output": { "width": 1921, "fps": 0 }
        });
        let expected = ["/description", "/duration", "/output/fps", "/output/width", "/style", "/title", "/tone"];
        assert_eq!(pointers(input), expected);
    }

    #[test]
    fn white_space_around_texts_does_not_count() {
        let input = json!({
            "title": "  abc ", "description": "\n ten letters \n", "duration": 15.5, "style": "bold", "tone": " calm"
        });
        assert_eq!(pointers(input), Vec::<String>::new());
    }

    #[test]
    fn a_picture_of_too_many_pixels_or_too_narrow_is_refused() {
        let mut briefing = Briefing::example();
        briefing.output = OutputOptions { width: 3840, height: 3840, ..OutputOptions::default() };
        assert_eq!(briefing.faults().len(), 1);
        briefing.output = OutputOptions { width: 3840, height: 160, ..OutputOptions::default() };
        assert_eq!(briefing.faults().len(), 1);
    }
}
