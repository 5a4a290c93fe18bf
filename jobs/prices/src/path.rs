//! JSONPath (RFC 9535): where in a document something stands.
//!
//! Paths are compiled and run by `serde_json_path`; what they find is looked up in the document whose numbers keep
//! their text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;
use serde_json_path::{JsonPath, PathElement};

use crate::json::{Json, JsonError};

/// Longer paths are refused.
const MAX_LENGTH: usize = 1_000;
/// Brackets may nest so deep: the parser of paths recurses.
const MAX_NESTING: usize = 32;

/// A compiled path.
#[derive(Debug, Clone)]
pub struct Path {
    text: String,
    compiled: JsonPath,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It breaks the grammar.
    #[error("no JSONPath: {message} at byte {at}")]
    Syntax {
        /// Where, in bytes from the start.
        at: usize,
        /// What is wrong there.
        message: String,
    },
    /// It is longer, or nests deeper, than paths may.
    #[error("longer than {MAX_LENGTH} bytes or nested deeper than {MAX_NESTING} levels")]
    TooLong,
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_LENGTH || nesting(text) > MAX_NESTING {
            return Err(PathError::TooLong);
        }
        let compiled = JsonPath::parse(text);
        let compiled =
            compiled.map_err(|err| PathError::Syntax { at: err.position(), message: err.message().to_owned() })?;
        Ok(Self { text: text.to_owned(), compiled })
    }
}

impl Path {
    /// What the path finds below a node, in the order of the document.
    #[must_use]
    pub fn query<'a>(&self, node: Node<'a>) -> Vec<Node<'a>> {
        self.query_located(node).into_iter().map(|(_, node)| node).collect()
    }

    /// What the path finds below a node, with the normalised path to each.
    #[must_use]
    pub fn query_located<'a>(&self, node: Node<'a>) -> Vec<(Location, Node<'a>)> {
        let found = self.compiled.query_located(node.value);
        let located = found.iter().filter_map(|found| {
            let location = Location::of(found.location().iter());
            // Both trees are of one text, so what is in one is in the other.
            let json = location.steps.iter().try_fold(node.json, |json, step| match step {
                Step::Name(name) => json.get(name),
                Step::Index(index) => json.at(*index),
            })?;
            Some((location, Node { json, value: found.node() }))
        });
        located.collect()
    }

    /// The first thing that the path finds.
    #[must_use]
    pub fn first<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        self.query(node).into_iter().next()
    }

    /// How many times the path looks at everything below: each multiplies what a document costs.
    #[must_use]
    pub fn descents(&self) -> usize {
        self.text.matches("..").count()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A document that paths are run on.
#[derive(Debug)]
pub struct Document {
    json: Json,
    value: Value,
}

/// A value inside of a document.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The value, its numbers as they are written.
    pub json: &'a Json,
    value: &'a Value,
}

impl Document {
    /// Reads a text as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Json::parse(text).map(Self::from)
    }

    /// The whole of it.
    #[must_use]
    pub const fn root(&self) -> Node<'_> {
        Node { json: &self.json, value: &self.value }
    }
}

impl From<Json> for Document {
    fn from(json: Json) -> Self {
        let value = json.to_value();
        Self { json, value }
    }
}

/// The normalised path to a value: it names this value and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

impl Location {
    fn of<'a>(elements: impl Iterator<Item = &'a PathElement<'a>>) -> Self {
        let step = |element: &PathElement<'_>| match element {
            PathElement::Name(name) => Step::Name((*name).to_owned()),
            PathElement::Index(index) => Step::Index(*index),
        };
        Self { steps: elements.map(step).collect() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) => {
                    f.write_str("['")?;
                    for c in name.chars() {
                        match c {
                            '\u{8}' => f.write_str("\\b")?,
                            '\t' => f.write_str("\\t")?,
                            '\n' => f.write_str("\\n")?,
                            '\u{c}' => f.write_str("\\f")?,
                            '\r' => f.write_str("\\r")?,
                            '\'' => f.write_str("\\'")?,
                            '\\' => f.write_str("\\\\")?,
                            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                            c => write!(f, "{c}")?,
                        }
                    }
                    f.write_str("']")?;
                }
            }
        }
        Ok(())
    }
}

fn nesting(text: &str) -> usize {
    let deeper = |(depth, most): (usize, usize), c| match c {
        '(' | '[' => (depth + 1, most.max(depth + 1)),
        ')' | ']' => (depth.saturating_sub(1), most),
        _ => (depth, most),
    };
    text.chars().fold((0, 0), deeper).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_keeps_its_figures_and_its_place() {
        let document = Document::parse(r#"{"offers": [{"price": 0.10}, {"price": 27.875342465753423}]}"#).unwrap();
        let path: Path = "$.offers[?@.price > 1].price".parse().unwrap();
        let found = path.query_located(document.root());
        let [(location, node)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(location.to_string(), "$['offers'][1]['price']");
        assert_eq!(node.json, &Json::Number("27.875342465753423".into()));
    }

    #[test]
    fn a_path_that_would_exhaust_the_stack_is_refused() {
        assert_eq!(
            Path::from_str(&format!("$[?{}1==1{}]", "(".repeat(400), ")".repeat(400))).unwrap_err(),
            PathError::TooLong
        );
        assert!(Path::from_str(&format!("$[?{}(1==1)]", "!".repeat(900))).is_err());
        assert!(matches!(Path::from_str("$.["), Err(PathError::Syntax { .. })));
    }
}
