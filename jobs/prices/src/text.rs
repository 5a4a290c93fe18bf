//! A price as people write it, in any locale: the amount, the currency, and what the words around them say.

mod figure;
mod letters;
mod parts;
mod sign;
mod words;

use rust_decimal::Decimal;
use serde::Serialize;

use self::{figure::Meaning, letters::Letters, parts::Parts};
use crate::Currency;

/// Texts are read this far, in characters: a price is short, and a page may be handed in by mistake.
const MAX_LENGTH: usize = 2_000;

/// What is known beside the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// Text that names the currency: a code, a sign, or words around one.
    pub currency: Option<&'a str>,
    /// The decimal separator, `.`, `,` or a sign such as `€`, where the writer is known. Without it `1.500` is fifteen hundred.
    pub decimal: Option<char>,
}

/// A price text, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The amount, with the decimals that were written. `None` says why in `refused`.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub amount: Option<Decimal>,
    /// The figures of the amount, as they stand in the text.
    pub text: Option<String>,
    /// The currency, where there is no doubt.
    pub currency: Option<Currency>,
    /// How the currency is written: `$`, `EUR`, `kr`.
    pub sign: Option<&'static str>,
    /// What the sign may mean, the likeliest first.
    pub currencies: Vec<Currency>,
    /// What the words say of the amount.
    pub kind: Kind,
    /// What the amount is for, as it is written: `mo` in `9.99/mo`.
    pub per: Option<String>,
    /// Other amounts of the text, and other ways to read the same figures.
    pub others: Vec<Decimal>,
    /// The figures can be read in more than one way that makes sense.
    pub ambiguous: bool,
    /// Why there is no amount.
    pub refused: Option<Refusal>,
}

/// What the words say of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing else: this is the price.
    Exact,
    /// The lowest of several: `from $5`.
    From,
    /// The highest of several: `up to $5`.
    UpTo,
    /// The lower end of a range; the upper end is in `others`.
    Range,
    /// It costs nothing: `free`.
    Free,
}

/// Why a text has no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There are no figures in it.
    NoFigures,
    /// Its figures are a share, not an amount.
    Percent,
    /// Its figures are a day.
    Date,
    /// Its figures are a time of day, or a fraction.
    Time,
    /// Its figures are a number to call.
    Phone,
    /// Its separators follow no convention.
    Malformed,
    /// It has more digits than money has.
    TooLong,
}

/// Reads a price text.
#[must_use]
pub fn read(text: &str, hints: Hints<'_>) -> Reading {
    let letters = Letters::of(text, MAX_LENGTH);
    let hint = hints.currency.map(|hint| Letters::of(hint, MAX_LENGTH));
    let parts = Parts::of(&letters.chars);
    let chosen = parts.price();
    let (sign, currencies) = parts.currency(chosen, hint.as_ref().map(|hint| hint.chars.as_slice()));
    let currency = if let [only] = currencies.as_slice() { Some(*only) } else { None };
    let empty = Reading {
        amount: None,
        text: None,
        currency,
        sign,
        currencies,
        kind: Kind::Exact,
        per: None,
        others: Vec::new(),
        ambiguous: false,
        refused: None,
    };
    let Some(at) = chosen else { return without_price(&letters, &parts, empty) };

    let exponent = currency.map(Currency::exponent);
    let joined = parts.sign_in_the_middle(at, hints.decimal);
    let last = if joined.is_some() { at + 1 } else { at };
    let Meaning { amount, mut readings, refused } = match &joined {
        Some(text) => Meaning::of_decimal(text),
        None => parts.figures[at].meaning(exponent, hints.decimal),
    };
    let after = parts.after_sign(last);
    readings.extend(amount.and_then(|amount| words::multiple(&letters.chars[parts.figures[last].end..], amount)));
    let ambiguous = !readings.is_empty();
    let besides = parts.figures.iter().enumerate().filter(|(index, _)| !(at..=last).contains(index));
    readings.extend(besides.filter_map(|(_, figure)| figure.meaning(exponent, hints.decimal).amount));
    Reading {
        amount: amount.map(|amount| if parts.is_negative(at) { -amount } else { amount }),
        text: Some(letters.slice(text, parts.figures[at].start, parts.figures[last].end)),
        kind: parts.kind(at, last, after),
        per: words::per(&letters.chars[after..]),
        others: readings,
        ambiguous,
        refused,
        ..empty
    }
}

/// The answer where nothing can be a price: it may be free, otherwise the first figure says what it is instead.
fn without_price(letters: &Letters, parts: &Parts<'_>, empty: Reading) -> Reading {
    if parts.figures.is_empty() && words::is_free(&letters.chars) {
        return Reading { amount: Some(Decimal::ZERO), kind: Kind::Free, ..empty };
    }
    let refused = parts.figures.iter().find_map(|figure| figure.refused).unwrap_or(Refusal::NoFigures);
    Reading { refused: Some(refused), ..empty }
}
