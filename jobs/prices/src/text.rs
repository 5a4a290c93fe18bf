//! A price as people write it, in any locale: the amount, the currency, and what the words around them say.

mod figure;
mod letters;
mod sign;
mod words;

use rust_decimal::Decimal;
use serde::Serialize;

use self::{
    figure::{Figure, Meaning},
    letters::Letters,
    sign::Found,
};
use crate::Currency;

/// Texts are read this far, in characters: a price is short, and a page may be handed in by mistake.
const MAX_LENGTH: usize = 2_000;

/// What is known beside the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// Text that names the currency: a code, a sign, or words around one.
    pub currency: Option<&'a str>,
    /// The decimal separator, `.` or `,`, where the writer is known. Without it `1.500` is fifteen hundred.
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
    let mut found = sign::find(&letters.chars);
    let mut figures = figure::find(&letters.chars, &found);
    figure::judge(&letters.chars, &mut figures, &found);
    // A sign inside of a word that a figure belongs to is none: the "R" of "R2D2".
    found.retain(|sign| figures.iter().all(|figure| sign.end <= figure.start || sign.start >= figure.end));

    let chosen = choose(&letters.chars, &figures, &found);
    let (name, currencies) = currency(&letters.chars, chosen.map(|at| &figures[at]), &found, hints.currency);
    let currency = if let [only] = currencies.as_slice() { Some(*only) } else { None };
    let empty = Reading {
        amount: None,
        text: None,
        currency,
        sign: name,
        currencies,
        kind: Kind::Exact,
        per: None,
        others: Vec::new(),
        ambiguous: false,
        refused: None,
    };
    let Some(at) = chosen else { return without_figure(&letters, &figures, empty) };

    let exponent = currency.map(Currency::exponent);
    let joined = sign_in_the_middle(&letters.chars, &figures, at, &found);
    let meaning = match &joined {
        Some(text) => Meaning::of_decimal(text),
        None => figures[at].meaning(exponent, hints.decimal),
    };
    let Meaning { amount, readings, refused } = meaning;
    let last = if joined.is_some() { at + 1 } else { at };
    let beside = |index: usize| index != at && !(joined.is_some() && index == last) && figures[index].is_amount();
    let amounts = (0..figures.len()).filter(|index| beside(*index));
    let amounts = amounts.filter_map(|index| figures[index].meaning(exponent, hints.decimal).amount);

    let scaled = amount.and_then(|amount| words::multiple(&letters.chars[figures[last].end..], amount));
    let ambiguous = readings.len() > usize::from(!figures[at].is_split()) || scaled.is_some();
    let mut others: Vec<Decimal> = readings.into_iter().chain(scaled).collect();
    others.extend(amounts);
    let after = after_sign(&found, figures[last].end, &letters.chars);
    let is_range = figures.get(last + 1).is_some_and(|next| {
        next.is_amount() && words::is_range(&without_signs(&letters.chars, &found, figures[last].end, next.start))
    });
    let kind = match words::before(&letters.chars[..before_sign(&found, figures[at].start, &letters.chars)]) {
        _ if is_range => Kind::Range,
        Some(kind) => kind,
        None if words::is_from_after(&letters.chars[after..]) => Kind::From,
        None => Kind::Exact,
    };
    let is_negative = is_negative(&letters.chars, figures[at].start, &found);
    Reading {
        amount: amount.map(|amount| if is_negative { -amount } else { amount }),
        text: Some(letters.slice(text, figures[at].start, figures[last].end)),
        kind,
        per: words::per(&letters.chars[after..]),
        others,
        ambiguous,
        refused,
        ..empty
    }
}

/// The answer where nothing can be an amount: it may be free, otherwise the first figure says what it is instead.
fn without_figure(letters: &Letters, figures: &[Figure], empty: Reading) -> Reading {
    if figures.is_empty() && words::is_free(&letters.chars) {
        return Reading { amount: Some(Decimal::ZERO), kind: Kind::Free, ..empty };
    }
    let refused = figures.iter().find_map(|figure| figure.refused).unwrap_or(Refusal::NoFigures);
    Reading { refused: Some(refused), ..empty }
}

/// The figure that is the price: the first, unless it counts something and another stands next to a sign.
fn choose(chars: &[char], figures: &[Figure], found: &[Found]) -> Option<usize> {
    let amounts: Vec<usize> = (0..figures.len()).filter(|at| figures[*at].is_amount()).collect();
    let first = *amounts.first()?;
    let is_signed = |at: usize| found.iter().any(|sign| sign.belongs_to(chars, figures, at));
    if is_signed(first) {
        return Some(first);
    }
    let Some(signed) = amounts.iter().copied().find(|at| is_signed(*at)) else {
        return amounts.iter().copied().find(|at| !figures[*at].in_word).or(Some(first));
    };
    // "100 – 200 €" and "12,99 instead of 15,99 €" begin with the price; "3 for 10 €" and "A4 5 €" do not.
    for pair in (first..signed).rev() {
        let gap = without_signs(chars, found, figures[pair].end, figures[pair + 1].start);
        let leads = figures[pair].is_amount() && !figures[pair].in_word;
        if !(leads && (words::is_range(&gap) || words::is_instead(&gap) || figures[pair].has_decimals())) {
            return Some(pair + 1);
        }
    }
    Some(first)
}

/// The sign of the price, and what it may mean: strong signs of the text, of the hint, then the weak ones.
fn currency(
    chars: &[char],
    figure: Option<&Figure>,
    found: &[Found],
    hint: Option<&str>,
) -> (Option<&'static str>, Vec<Currency>) {
    let hint = hint.map(|hint| Letters::of(hint, MAX_LENGTH));
    let hinted = hint.map_or_else(Vec::new, |hint| sign::find(&hint.chars));
    let span = figure.map(|figure| (figure.start, figure.end));
    let in_text = sign::best(chars, span, found);
    let in_hint = hinted.iter().find(|sign| sign.sign.strong).or(hinted.first());
    let chosen = match (in_text, in_hint) {
        (Some(text), Some(hint)) if !text.sign.strong && hint.sign.strong => Some(hint),
        (Some(text), _) => Some(text),
        (None, hint) => hint,
    };
    let Some(chosen) = chosen else { return (None, Vec::new()) };
    let mut may_be = chosen.sign.currencies.clone();
    // "$5" beside "CAD": the sign is the text's, its meaning the hint's.
    let agreed = in_hint.and_then(|hint| may_be.iter().copied().find(|currency| hint.sign.currencies == [*currency]));
    if let Some(agreed) = agreed {
        may_be = vec![agreed];
    }
    (Some(chosen.name()), may_be)
}

/// "35€99": the sign stands where the decimal separator would.
fn sign_in_the_middle(chars: &[char], figures: &[Figure], at: usize, found: &[Found]) -> Option<String> {
    let (whole, cents) = (figures.get(at)?, figures.get(at + 1)?);
    let sign = found.iter().find(|sign| sign.start >= whole.end && sign.end <= cents.start)?;
    let is_blank = |from: usize, to: usize| chars[from..to].iter().all(|c| *c == ' ');
    let touches = is_blank(whole.end, sign.start) && is_blank(sign.end, cents.start);
    // Only the euro is written so with a space; "5$ 10" are two prices.
    let is_tight = whole.end == sign.start && sign.end == cents.start;
    let is_written_so = touches && (is_tight || sign.sign.text == "€");
    let next_is_sign = found.iter().any(|sign| sign.start >= cents.end && is_blank(cents.end, sign.start));
    let cents_text = cents.only_digits().filter(|digits| digits.len() == 2)?;
    if !is_written_so || next_is_sign || whole.has_decimals() || !cents.is_amount() {
        return None;
    }
    Some(format!("{}.{cents_text}", whole.whole()?))
}

/// A minus that begins the text, right before the figures or their sign: a discount, not a price.
fn is_negative(chars: &[char], start: usize, found: &[Found]) -> bool {
    let is_minus = |at: usize| matches!(chars[at], '-' | '−' | '﹣' | '－');
    let first = chars.iter().position(|c| *c != ' ').unwrap_or(start);
    let signed = found.iter().find(|sign| sign.end == start || sign.end + 1 == start && chars[sign.end] == ' ');
    let begins = signed.map_or(start, |sign| sign.start);
    let leads = first < begins && is_minus(first) && first + 1 == begins;
    let after_sign = found.iter().any(|sign| {
        sign.start == first && start > sign.end && {
            let gap: String = chars[sign.end..start].iter().collect();
            matches!(gap.trim_start(), "-" | "−")
        }
    });
    leads || after_sign
}

fn before_sign(found: &[Found], start: usize, chars: &[char]) -> usize {
    let blank = |from: usize, to: usize| chars[from..to].iter().all(|c| matches!(c, ' ' | '.'));
    found.iter().rev().find(|sign| sign.end <= start && blank(sign.end, start)).map_or(start, |sign| sign.start)
}

fn after_sign(found: &[Found], end: usize, chars: &[char]) -> usize {
    let blank = |from: usize, to: usize| chars[from..to].iter().all(|c| matches!(c, ' ' | ',' | '-' | '.' | '–'));
    found.iter().find(|sign| sign.start >= end && blank(end, sign.start)).map_or(end, |sign| sign.end)
}

/// What stands between two figures, without the signs and the full stops of those that are abbreviations.
fn without_signs(chars: &[char], found: &[Found], from: usize, to: usize) -> String {
    let is_sign = |at: &usize| {
        found.iter().any(|sign| (sign.start..sign.end).contains(at) || sign.end == *at && chars[*at] == '.')
    };
    (from..to).filter(|at| !is_sign(at)).map(|at| chars[at]).collect()
}
