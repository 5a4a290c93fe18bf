//! The letters of a text, as the reader compares them.

/// A text with one form of each digit, space and separator, without marks that cannot be seen.
#[derive(Debug)]
pub(super) struct Letters {
    pub(super) chars: Vec<char>,
    /// Where each letter stands in the text, in bytes.
    places: Vec<usize>,
}

impl Letters {
    pub(super) fn of(text: &str, max: usize) -> Self {
        let (places, chars) = text.char_indices().take(max).filter_map(|(at, c)| Some((at, plain(c)?))).unzip();
        Self { chars, places }
    }

    /// The text from one letter to before another.
    pub(super) fn slice(&self, text: &str, from: usize, to: usize) -> String {
        let start = self.places.get(from).copied().unwrap_or(text.len());
        let last = to.checked_sub(1).and_then(|last| self.places.get(last)).copied().unwrap_or(start);
        let end = text[last..].chars().next().map_or(last, |c| last + c.len_utf8());
        text.get(start..end).unwrap_or_default().to_owned()
    }
}

/// The form that the reader knows; `None` for what cannot be seen.
fn plain(c: char) -> Option<char> {
    let known = match c {
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}' => {
            return None;
        }
        '\n' | '\r' => '\n',
        c if c.is_whitespace() => ' ',
        '，' | '،' | '﹐' => ',',
        '．' | '。' => '.',
        '＋' => '+',
        '％' | '٪' => '%',
        '’' | '‘' | 'ʼ' | '`' | '´' | '′' | '＇' => '\'',
        '＄' | '﹩' => '$',
        '￡' => '£',
        '／' => '/',
        c => digit(c).unwrap_or(c),
    };
    Some(known)
}

/// The ASCII form of a decimal digit of any script that prices are written in.
fn digit(c: char) -> Option<char> {
    const ZEROS: [u32; 21] = [
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
        0x0ed0, 0x0f20, 0x1040, 0x17e0, 0x1810, 0x1946, 0xff10,
    ];
    let code = u32::from(c);
    let value = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}
