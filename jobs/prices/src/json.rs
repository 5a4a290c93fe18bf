//! JSON whose numbers keep their text.
//!
//! A price of `27.875342465753423` must not pass through a float, and `121.50` is what the page said. `serde_json` can
//! keep the text with its feature `arbitrary_precision`, but features are one for a whole build: every number of every
//! crate of ours would become a string, untagged and flattened types would read numbers differently, and the hot paths
//! would pay for it. So prices have a reader of their own, which is also the one that forgives what web pages get
//! wrong.

mod reader;

use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use self::reader::Reader;

/// Deeper documents are refused: nothing that has prices nests so, and readers of trees recurse.
pub const MAX_DEPTH: usize = 128;

/// A JSON value. Objects keep the order of the document; of two members with one name the last counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(IndexMap<String, Json>),
}

/// Why a text is no JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It breaks the grammar.
    #[error("no JSON at byte {at}: expected {expected}")]
    Syntax {
        /// Where, in bytes from the start.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// It nests deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl Json {
    /// Reads a text by the grammar of RFC 8259.
    ///
    /// # Errors
    /// Where it breaks the grammar, or nests too deep.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Reader::new(text, false).document()
    }

    /// Reads what web pages call JSON: with comments, CDATA, trailing commas, and control characters in strings.
    ///
    /// # Errors
    /// Where that is not enough, or it nests too deep.
    pub fn parse_tolerant(text: &str) -> Result<Self, JsonError> {
        Reader::new(text, true).document()
    }

    /// Reads the JSON that a text begins with, tolerantly: what follows, such as the `;` of a script, is left alone.
    ///
    /// # Errors
    /// As [`Json::parse_tolerant`].
    pub fn parse_prefix(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader::new(text, true);
        reader.blanks();
        reader.value(0)
    }

    /// The member of this name, in an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        if let Self::Object(members) = self { members.get(name) } else { None }
    }

    /// The first member with this name in any case, in an object.
    #[must_use]
    pub fn get_any_case(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members
            .get(name)
            .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    /// The element at this place, in an array.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Self> {
        if let Self::Array(elements) = self { elements.get(index) } else { None }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A string, number or boolean as text.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Bool(truth) => Some(truth.to_string()),
            Self::Number(text) | Self::String(text) => Some(text.clone()),
            Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The decimal that a number, or a string of figures, is.
    #[must_use]
    pub fn to_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Number(text) | Self::String(text) => decimal(text.trim()),
            _ => None,
        }
    }

    /// Whether it counts as yes: anything but `null`, `false`, zero and what is empty.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(truth) => *truth,
            Self::Number(text) => text.bytes().any(|byte| matches!(byte, b'1'..=b'9')),
            Self::String(text) => !text.is_empty(),
            Self::Array(elements) => !elements.is_empty(),
            Self::Object(members) => !members.is_empty(),
        }
    }

    /// The same document for what knows `serde_json`, its numbers as that has them.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Object(members) => members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect(),
        }
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::String(text.clone()),
            Value::Array(elements) => Self::Array(elements.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (name.clone(), value.into())).collect())
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(text) => match serde_json::from_str::<serde_json::Number>(text) {
                Ok(number) => number.serialize(serializer),
                Err(_) => serializer.serialize_none(),
            },
            Self::Null => serializer.serialize_none(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The decimal that a JSON number's text is, with its digits as they are written.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let is_scientific = text.contains(['e', 'E']);
    if is_scientific { Decimal::from_scientific(text).ok() } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let json = Json::parse(r#"{"price": 27.875342465753423, "list": 121.50, "small": 1e-7}"#).unwrap();
        let text = |name: &str| json.get(name).and_then(Json::to_decimal).unwrap().to_string();
        assert_eq!([text("price"), text("list"), text("small")], ["27.875342465753423", "121.50", "0.0000001"]);
    }

    #[test]
    fn the_strict_reader_agrees_with_serde_json() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "-",
            "1.",
            "1e",
            "\"\\x41\"",
            "\"\u{1}\"",
            "nul",
            "[1 2]",
            "{\"a\" 1}",
            "[]]",
            "--1",
            "-01",
            " [1, -0.5e+3, \"\\u00e9\\n\", true, false, null, {}] ",
            "{\"a\":{\"a\":[]}}",
            "\"\\ud83d\\ude00\"",
            "/**/1",
            "0",
            "-0",
            "[,]",
        ] {
            let ours = Json::parse(text).ok().map(|json| json.to_value());
            assert_eq!(ours, serde_json::from_str::<Value>(text).ok(), "{text:?}");
        }
    }

    #[test]
    fn what_pages_get_wrong_is_forgiven() {
        let page = "<!-- <![CDATA[\n/* shop */ {\"name\": \"two\nlines\", // note\n \"offers\": [1, 2, ], }\n//]]> -->";
        let json = Json::parse_tolerant(page).unwrap();
        assert_eq!(json.get("name").and_then(Json::as_str), Some("two\nlines"));
        assert_eq!(json.get_any_case("Offers").and_then(|offers| offers.at(1)), Some(&Json::Number("2".into())));
        assert_eq!(Json::parse_prefix("{\"a\":1};var b=2").unwrap().get("a"), Some(&Json::Number("1".into())));
    }

    #[test]
    fn depth_has_an_end() {
        for reader in [Json::parse, Json::parse_tolerant] {
            let deep = |levels: usize| reader(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
            assert_eq!(deep(10_000), Err(JsonError::TooDeep));
            assert!(deep(100).is_ok());
            assert!(matches!(reader(&"{\"a\":".repeat(10_000)), Err(JsonError::TooDeep)));
        }
    }
}
