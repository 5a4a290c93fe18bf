//! The reader of JSON: strict, or as forgiving as pages need it.

use indexmap::IndexMap;

use super::{Json, JsonError, MAX_DEPTH};

/// A text that is being read.
pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tolerant: bool,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str, tolerant: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, tolerant }
    }

    pub(super) fn document(mut self) -> Result<Json, JsonError> {
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

    pub(super) fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
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
    pub(super) fn blanks(&mut self) {
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
