//! JSON whose numbers keep their text.
//!
//! A price of `27.875342465753423` must not pass through a float, and `121.50` is what the page said. `serde_json` can keep the text with
//! its feature `arbitrary_precision`, but features are one for a whole build: every number of every crate of ours would become a string,
//! untagged and flattened types would read numbers differently, and the hot paths would pay for it. So prices have a
//! reader of their own, which is also the one that forgives what web pages get wrong.

use indexmap::IndexMap;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

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

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tolerant: bool,
}

impl<'a> Reader<'a> {
    const fn new(text: &'a str, tolerant: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, tolerant }
    }

    fn document(mut self) -> Result<Json, JsonError> {
        self.blanks();
        let value = self.value(0)?;
        self.blanks();
        // A statement of a script ends so.
        while self.tolerant && self.peek() == Some(b';') {
            self.at += 1;
            self.blanks();
        }
        if self.at == self.bytes.len() { Ok(value) } else { Err(self.expected("the end")) }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            // Scripts say so where there is nothing.
            Some(b'u') if self.tolerant => self.word("undefined", Json::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = IndexMap::new();
        self.at += 1;
        loop {
            self.blanks();
            if self.peek() == Some(b'}') && (members.is_empty() || self.tolerant) {
                break;
            }
            if self.peek() != Some(b'"') {
                return Err(self.expected("the name of a member"));
            }
            let name = self.string()?;
            self.blanks();
            self.take(b':', "a colon")?;
            self.blanks();
            let value = self.value(depth + 1)?;
            members.insert(name, value);
            if !self.goes_on(b'}')? {
                break;
            }
        }
        self.at += 1;
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut elements = Vec::new();
        self.at += 1;
        loop {
            self.blanks();
            if self.peek() == Some(b']') && (elements.is_empty() || self.tolerant) {
                break;
            }
            elements.push(self.value(depth + 1)?);
            if !self.goes_on(b']')? {
                break;
            }
        }
        self.at += 1;
        Ok(Json::Array(elements))
    }

    /// Whether a comma follows, rather than the end of what is open.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonError> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                // Several commas, or one before the end, are none.
                while self.tolerant && self.peek() == Some(b',') {
                    self.at += 1;
                    self.blanks();
                }
                if self.peek() == Some(end) && !self.tolerant {
                    return Err(self.expected("a value"));
                }
                Ok(true)
            }
            Some(byte) if byte == end => Ok(false),
            _ => Err(self.expected("a comma or the end")),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        let mut from = self.at;
        loop {
            match self.peek() {
                None => return Err(self.expected("the end of a string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    text.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    self.escape(&mut text)?;
                    from = self.at;
                }
                Some(0..=0x1f) if !self.tolerant => return Err(self.expected("no control character")),
                Some(_) => self.at += 1,
            }
        }
        text.push_str(&self.text[from..self.at]);
        self.at += 1;
        Ok(text)
    }

    fn escape(&mut self, text: &mut String) -> Result<(), JsonError> {
        let Some(byte) = self.peek() else { return Err(self.expected("an escape")) };
        self.at += 1;
        let c = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            b'x' if self.tolerant => {
                let code = self.hex(2)?;
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ if self.tolerant => {
                // The character stands for itself; it may have more bytes than one.
                self.at -= 1;
                let Some(c) = self.text[self.at..].chars().next() else { return Err(self.expected("an escape")) };
                self.at += c.len_utf8();
                c
            }
            _ => return Err(self.expected("an escape")),
        };
        text.push(c);
        Ok(())
    }

    /// A UTF-16 escape, with its second half where it needs one. A lone half becomes the replacement character.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex(4)?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let place = self.at;
            self.at += 2;
            let second = self.hex(4)?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = place;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, digits: usize) -> Result<u32, JsonError> {
        let code =
            self.text.get(self.at..self.at + digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code =
            code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).ok_or_else(|| self.expected("four hex digits"))?;
        self.at += digits;
        Ok(code)
    }

    fn number(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.skip(|byte| byte == b'-');
        let whole = self.digits()?;
        let padded = whole > 1 && self.bytes[self.at - whole] == b'0';
        if self.at - start - whole > 1 || padded && !self.tolerant {
            return Err(self.expected("a number"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_digit());
        if self.at == start { Err(self.expected("a digit")) } else { Ok(self.at - start) }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// White space, and what a tolerant reader takes for it.
    fn blanks(&mut self) {
        loop {
            let from = self.at;
            if self.tolerant {
                self.skip(|byte| byte <= b' ');
                let rest = &self.text[self.at..];
                let skipped = ["<![CDATA[", "]]>", "<!--", "-->", "\u{feff}", "\u{a0}"]
                    .iter()
                    .find(|word| rest.starts_with(**word));
                if let Some(word) = skipped {
                    self.at += word.len();
                } else if rest.starts_with("//") {
                    self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                } else if rest.starts_with("/*") {
                    self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                }
            } else {
                self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            }
            if self.at == from {
                return;
            }
        }
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, name: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.expected(name));
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    const fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }
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
