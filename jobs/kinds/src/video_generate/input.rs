//! What a film is asked for with: a briefing, or a timeline.

use std::borrow::Cow;

use jobs_core::Fault;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use super::{Briefing, briefing, timeline, timeline::TimelineRequest};

/// A briefing; or, with a field `timeline`, the film clip by clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Input {
    /// What somebody wants a film about.
    Briefing(Briefing),
    /// Every clip of it.
    Timeline(Box<TimelineRequest>),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Trying one form after the other would tell of the wrong one what is wrong with it.
        let value = Value::deserialize(deserializer)?;
        if value.get("timeline").is_some() {
            serde_json::from_value(value).map(|request| Self::Timeline(Box::new(request))).map_err(D::Error::custom)
        } else {
            serde_json::from_value(value).map(Self::Briefing).map_err(D::Error::custom)
        }
    }
}

impl JsonSchema for Input {
    fn schema_name() -> Cow<'static, str> {
        "VideoInput".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Those who describe the API call the two by their titles.
        let titled = |title: &str, mut schema: Schema| {
            schema.insert("title".to_owned(), title.into());
            schema
        };
        json_schema!({
            "description": "A briefing; or, with a field `timeline`, the film clip by clip.",
            "type": "object",
            "if": { "required": ["timeline"] },
            "then": titled("Timeline", TimelineRequest::json_schema(generator)),
            "else": titled("Briefing", Briefing::json_schema(generator)),
        })
    }
}

impl Input {
    /// What the schema cannot say. Pointers are relative to the input.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Briefing(briefing) => briefing.faults(),
            Self::Timeline(request) => request.faults(),
        }
    }

    /// The length of the film in seconds, as far as it is known.
    pub(super) fn seconds(&self) -> Option<f64> {
        match self {
            Self::Briefing(briefing) => Some(briefing.duration),
            Self::Timeline(request) => request.seconds(),
        }
    }

    /// The language of its texts, when it says it.
    pub(super) fn language(&self) -> Option<String> {
        match self {
            Self::Briefing(briefing) => briefing.language.clone(),
            Self::Timeline(request) => request.language.clone(),
        }
    }
}

/// Puts an input in order before it is checked.
pub(super) fn tidy(input: &mut Value) {
    if input.get("timeline").is_some() { timeline::tidy(input) } else { briefing::tidy(input) }
}
