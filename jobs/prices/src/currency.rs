//! Currencies: their codes, their smallest coins, and the signs that prices are written with.
//!
//! Both tables are data: `data/currencies.tsv` and `data/signs.tsv`.

use std::{collections::HashMap, fmt, sync::LazyLock};

use serde::{Serialize, Serializer};

/// A currency of ISO 4217, also one of those that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(&'static str);

impl Currency {
    /// The currency of a code, in any case; `None` when there is none.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        let code = code.trim().to_ascii_uppercase();
        TABLE.get_key_value(code.as_str()).map(|(code, _)| Self(code))
    }

    /// The three letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// How many decimals the smallest coin has: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        TABLE[self.0]
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// A way to write a currency next to an amount.
#[derive(Debug)]
pub struct Sign {
    /// What it is called: as it is written, without the endings of cases.
    pub text: &'static str,
    /// It names money wherever it stands; others are believed only where nothing stronger is said.
    pub strong: bool,
    /// What it may mean, the likeliest first. Empty for money without a code.
    pub currencies: Vec<Currency>,
    /// As it is written, for the reader to compare.
    pub(crate) letters: Vec<char>,
}

/// All signs and codes that may begin with this character, the longest first.
pub(crate) fn signs(first: char) -> &'static [Sign] {
    SIGNS.get(&first).map_or(&[], Vec::as_slice)
}

static TABLE: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (code, exponent) = line.split_once('\t')?;
        Some((code, exponent.parse().ok()?))
    };
    rows(include_str!("../data/currencies.tsv")).filter_map(row).collect()
});

static SIGNS: LazyLock<HashMap<char, Vec<Sign>>> = LazyLock::new(|| {
    let sign = |written: &'static str, text: &'static str, strong, currencies| {
        let letters = written.chars().collect();
        Sign { text, strong, currencies, letters }
    };
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let (text, strength) = (columns.next()?, columns.next()?);
        let codes = columns.next().unwrap_or_default().split(' ').filter_map(Currency::of).collect();
        Some(sign(text, columns.next().unwrap_or(text), strength == "strong", codes))
    };
    let listed: Vec<Sign> = rows(include_str!("../data/signs.tsv")).filter_map(row).collect();
    let codes = TABLE.keys().filter(|code| listed.iter().all(|sign| sign.text != **code));
    let codes: Vec<Sign> = codes.map(|code| sign(code, code, false, vec![Currency(code)])).collect();

    let mut signs: HashMap<char, Vec<Sign>> = HashMap::new();
    for sign in listed.into_iter().chain(codes) {
        let Some(first) = sign.letters.first().copied() else { continue };
        signs.entry(first).or_default().push(sign);
    }
    for alike in signs.values_mut() {
        alike.sort_by_key(|sign| (std::cmp::Reverse(sign.letters.len()), sign.text));
    }
    signs
});

fn rows(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_means_currencies_that_exist() {
        let named =
            rows(include_str!("../data/signs.tsv")).flat_map(|line| line.split('\t').nth(2).unwrap_or("").split(' '));
        for code in named.filter(|code| !code.is_empty()) {
            assert!(Currency::of(code).is_some(), "{code}");
        }
    }

    #[test]
    fn coins_differ() {
        let exponent = |code| Currency::of(code).map(Currency::exponent);
        assert_eq!(
            [exponent("eur"), exponent("JPY"), exponent("KWD"), exponent("XXX")],
            [Some(2), Some(0), Some(3), None]
        );
    }
}
