//! The signs of currencies in a text, and which of them is the price's.

use super::figure::Figure;
use crate::currency::{self, Sign};

/// Codes that are words as well, in one language or another.
const WORDS: [&str; 14] =
    ["ALL", "TOP", "TRY", "CUP", "MAD", "PEN", "GEL", "SOS", "BAM", "LAK", "MOP", "RON", "ZAR", "BOB"];

/// A sign that stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) sign: &'static Sign,
}

impl Found {
    /// Whether it stands next to this figure, and not nearer to another: the dollar of "12 $999" is of the second.
    pub(super) fn belongs_to(&self, chars: &[char], figures: &[Figure], at: usize) -> bool {
        let distance =
            |figure: &Figure| if figure.end <= self.start { self.start - figure.end } else { figure.start - self.end };
        let figure = &figures[at];
        let next = figures.get(at + 1).filter(|next| figure.end <= self.start && self.end <= next.start);
        touches(chars, figure.start, figure.end, self) && next.is_none_or(|next| distance(figure) <= distance(next))
    }
}

/// All signs, from left to right, the longest of those that begin at a place.
pub(super) fn find(chars: &[char]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let sign =
            currency::signs(chars[at]).iter().find(|sign| stands(chars, at, sign)).or_else(|| small_code(chars, at));
        let Some(sign) = sign else {
            at += 1;
            continue;
        };
        let end = at + sign.letters.len();
        found.push(Found { start: at, end, sign });
        at = end;
    }
    // "TOP 5 offers: $20" is not of Tonga.
    if found.iter().any(|sign: &Found| sign.sign.strong) {
        found.retain(|sign| !WORDS.contains(&sign.sign.text));
    }
    dollar_by_code(found, chars)
}

/// The sign of a price at this span: a strong one beside it, a weak one beside it, then any.
pub(super) fn best<'a>(chars: &[char], span: Option<(usize, usize)>, found: &'a [Found]) -> Option<&'a Found> {
    let rank = |sign: &&Found| {
        let beside = span.is_some_and(|(start, end)| touches(chars, start, end, sign));
        (!beside, !sign.sign.strong)
    };
    // One or two letters are a sign only where they touch the price: "R" and "Br" are in too many names.
    let may_be = |sign: &&Found| match span {
        _ if sign.sign.strong => true,
        Some((start, end)) => {
            let is_short = sign.sign.letters.len() <= 2 && !sign.sign.letters.iter().any(|c| is_cjk(*c));
            !is_short || touches(chars, start, end, sign)
        }
        // "Ph. Eur." is no money, "PLN" in a field of its own is.
        None => chars[..sign.start].iter().chain(&chars[sign.end..]).all(|c| !c.is_alphanumeric()),
    };
    found.iter().filter(may_be).min_by_key(rank)
}

/// Whether a sign stands next to a span, with nothing but blanks and marks between.
pub(super) fn is_beside(chars: &[char], start: usize, end: usize, found: &[Found]) -> bool {
    found.iter().any(|sign| touches(chars, start, end, sign))
}

fn touches(chars: &[char], start: usize, end: usize, sign: &Found) -> bool {
    let is_mark = |c: &char| matches!(c, ' ' | '\n' | '.' | ',' | ':' | '-' | '–' | '−' | '~' | '*' | '(' | '=');
    let gap =
        if sign.end <= start { &chars[sign.end..start] } else { chars.get(end..sign.start).unwrap_or(&chars[..0]) };
    let apart = sign.end <= start || sign.start >= end;
    apart && gap.len() <= 4 && gap.iter().all(is_mark)
}

/// Whether a sign stands here by itself: its letters do not go on into a word.
fn stands(chars: &[char], at: usize, sign: &Sign) -> bool {
    if !chars[at..].starts_with(&sign.letters) {
        return false;
    }
    let end = at + sign.letters.len();
    let is_letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic() && !is_cjk(*c));
    let (first, last) = (sign.letters.first(), sign.letters.last());
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    // "PriceAU$5" has lost the space of its markup: a capital after a small letter, or another script, begins a word.
    let begins = before.zip(first).is_some_and(|(before, first)| {
        before.is_lowercase() && first.is_uppercase() || before.is_ascii() != first.is_ascii()
    });
    let goes_on = is_letter(first) && is_letter(before) && !begins;
    let ends = !(is_letter(last) && is_letter(chars.get(end)));
    !goes_on && ends
}

/// A code in small letters, where it cannot be a word: "5 usd", but not "all".
fn small_code(chars: &[char], at: usize) -> Option<&'static Sign> {
    let code: String =
        chars.get(at..at + 3)?.iter().filter(|c| c.is_ascii_lowercase() || c.is_ascii_uppercase()).collect();
    let code = code.to_ascii_uppercase();
    if code.len() != 3 || WORDS.contains(&code.as_str()) {
        return None;
    }
    let sign = currency::signs(code.chars().next()?).iter().find(|sign| sign.text == code)?;
    let is_letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic());
    let inside = is_letter(at.checked_sub(1).and_then(|before| chars.get(before))) || is_letter(chars.get(at + 3));
    (!inside).then_some(sign)
}

/// "$5 CAD": the code says which dollar, so it is the sign of that dollar.
fn dollar_by_code(found: Vec<Found>, chars: &[char]) -> Vec<Found> {
    let Some(dollar) = found.iter().position(|sign| sign.sign.text == "$") else { return found };
    let says = |sign: &Found| sign.sign.text.len() == 3 && sign.sign.text.ends_with('D') && sign.sign.text != "LTD";
    let only = found.iter().filter(|sign| sign.sign.text == "$").count() == 1;
    let place = found.iter().copied().find(|sign| {
        let (from, to) = (found[dollar].end.min(sign.end), found[dollar].start.max(sign.start));
        says(sign) && chars[from..to].iter().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',' | '\''))
    });
    let Some(code) = place.filter(|_| only) else { return found };
    let mut found = found;
    found[dollar].sign = code.sign;
    found
}

/// Scripts without spaces between words.
fn is_cjk(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af)
}
