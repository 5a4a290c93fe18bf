//! Exchange rates, as the European Central Bank publishes them each working day.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use rust_decimal::Decimal;
use time::{Date, Duration, macros::format_description};

use crate::Currency;

/// Rates are good for so long: weekends and holidays leave gaps of up to five days.
pub const MAX_AGE: Duration = Duration::days(7);

/// What one euro is in other currencies, on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// The day they were published for.
    pub date: Date,
    rates: BTreeMap<Currency, Decimal>,
}

/// Why an amount cannot be converted. What is not converted is held out, not guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FxError {
    /// The file is none of the bank's.
    #[error("no table of exchange rates: {0}")]
    Malformed(&'static str),
    /// The rates are too old.
    #[error("the exchange rates are of {0}")]
    Stale(Date),
    /// The bank publishes no rate for it.
    #[error("there is no exchange rate for {0}")]
    Unknown(Currency),
    /// The amount does not fit.
    #[error("the converted amount is too large")]
    TooLarge,
}

impl Rates {
    /// Reads `eurofxref-daily.xml`.
    ///
    /// # Errors
    /// When it has no day or no rates.
    pub fn parse_ecb(xml: &str) -> Result<Self, FxError> {
        let (Ok(day), Ok(rate)) = (&*DAY, &*RATE) else { return Err(FxError::Malformed("patterns")) };
        let date = day.captures(xml).ok_or(FxError::Malformed("it has no day"))?;
        let date = Date::parse(&date[1], format_description!("[year]-[month]-[day]"))
            .map_err(|_| FxError::Malformed("its day is none"))?;
        let pair = |found: regex::Captures<'_>| Some((Currency::of(&found[1])?, found[2].parse().ok()?));
        let rates: BTreeMap<Currency, Decimal> =
            rate.captures_iter(xml).filter_map(pair).filter(|(_, rate)| *rate > Decimal::ZERO).collect();
        if rates.is_empty() { Err(FxError::Malformed("it has no rates")) } else { Ok(Self { date, rates }) }
    }

    /// An amount in another currency.
    ///
    /// # Errors
    /// When a rate is missing, or the rates are more than [`MAX_AGE`] older than `today`.
    pub fn convert(&self, amount: Decimal, from: Currency, to: Currency, today: Date) -> Result<Decimal, FxError> {
        if from == to {
            return Ok(amount);
        }
        if today - self.date > MAX_AGE {
            return Err(FxError::Stale(self.date));
        }
        let euros = amount.checked_div(self.per_euro(from)?).ok_or(FxError::TooLarge)?;
        euros.checked_mul(self.per_euro(to)?).ok_or(FxError::TooLarge)
    }

    fn per_euro(&self, currency: Currency) -> Result<Decimal, FxError> {
        if currency.code() == "EUR" {
            return Ok(Decimal::ONE);
        }
        self.rates.get(&currency).copied().ok_or(FxError::Unknown(currency))
    }
}

static DAY: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r#"<Cube\s+time=['"](\d{4}-\d{2}-\d{2})['"]"#));
static RATE: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r#"<Cube\s+currency=['"]([A-Z]{3})['"]\s+rate=['"]([0-9.]+)['"]"#));

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const FILE: &str = "<Cube><Cube time='2026-08-28'><Cube currency='USD' rate='1.25'/><Cube currency='JPY' rate='160.00'/></Cube></Cube>";

    #[test]
    fn amounts_go_through_the_euro_while_the_rates_are_fresh() {
        let rates = Rates::parse_ecb(FILE).unwrap();
        let of = |code| Currency::of(code).unwrap();
        let convert = |from, to, today| rates.convert(Decimal::from(8), of(from), of(to), today);
        assert_eq!(convert("EUR", "USD", date!(2026 - 09 - 04)), Ok(Decimal::from(10)));
        assert_eq!(convert("USD", "JPY", date!(2026 - 08 - 28)), Ok(Decimal::from(1_024)));
        assert_eq!(convert("EUR", "USD", date!(2026 - 09 - 05)), Err(FxError::Stale(date!(2026 - 08 - 28))));
        assert_eq!(convert("USD", "USD", date!(2027 - 01 - 01)), Ok(Decimal::from(8)));
        assert_eq!(convert("AED", "USD", date!(2026 - 08 - 28)), Err(FxError::Unknown(of("AED"))));
        assert!(Rates::parse_ecb("<html>").is_err());
    }
}
