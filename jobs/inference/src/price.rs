//! What tokens cost. Decimals from the figures as they were written, never a float.

use jobs_core::port::model::Usage;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// The digits after the point that a price of 1,000 tokens may have.
pub const MAX_SCALE: u32 = 12;
/// The highest price of 1,000 tokens, in units of its currency.
pub const MAX_PRICE: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// What 1,000 tokens cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of a prompt.
    #[serde(deserialize_with = "exact")]
    pub input: Decimal,
    /// Of a prompt, where the engine remembered them; the price of any other where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact_option")]
    pub cached_input: Option<Decimal>,
    /// Of an answer.
    #[serde(deserialize_with = "exact")]
    pub output: Decimal,
    /// The currency: three letters of ISO 4217.
    pub currency: String,
}

/// What an answer cost: an exact product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// How much.
    pub amount: Decimal,
    /// Of what: three letters of ISO 4217.
    pub currency: String,
}

impl Price {
    /// What is wrong with it, if anything is: the field and a sentence.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let prices = [("input", Some(self.input)), ("cached_input", self.cached_input), ("output", Some(self.output))];
        for (name, price) in prices.into_iter().filter_map(|(name, price)| Some((name, price?))) {
            if price.is_sign_negative() && !price.is_zero() || price > MAX_PRICE || price.scale() > MAX_SCALE {
                return Some((
                    name,
                    format!("must be from 0 to {MAX_PRICE} with at most {MAX_SCALE} digits after the point"),
                ));
            }
        }
        let is_code = self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        (!is_code).then(|| ("currency", "must be three capital letters, as in USD".to_owned()))
    }

    /// What `usage` costs, without rounding.
    ///
    /// The bounds of [`Price::fault`] leave room: 2^32 tokens at the highest price with all its digits still fit.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let fresh = usage.prompt_tokens - cached;
        let amount = Decimal::from(fresh) * self.input
            + Decimal::from(cached) * self.cached_input.unwrap_or(self.input)
            + Decimal::from(usage.completion_tokens) * self.output;
        Cost { amount: (amount * THOUSANDTH).normalize(), currency: self.currency.clone() }
    }
}

const THOUSANDTH: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// Reads a decimal from text alone: a float in a configuration is not the price that was written.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = String::deserialize(deserializer)?;
    Decimal::from_str_exact(&text).map_err(|error| D::Error::custom(format!("a price is a decimal: {error}")))
}

fn exact_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    exact(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: &str, cached: Option<&str>, output: &str) -> Price {
        let decimal = |text: &str| text.parse().unwrap();
        Price {
            input: decimal(input),
            cached_input: cached.map(decimal),
            output: decimal(output),
            currency: "USD".to_owned(),
        }
    }

    fn usage(prompt: u32, cached: u32, completion: u32) -> Usage {
        Usage { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion, ..Usage::default() }
    }

    #[test]
    fn the_cost_is_the_exact_product() {
        let cost = price("0.0002", Some("0.0001"), "0.0006").cost(&usage(1_001, 1_000, 7));
        // 1 × 0.0000002 + 1000 × 0.0000001 + 7 × 0.0000006
        assert_eq!(cost.amount.to_string(), "0.0001044");
        assert_eq!(price("0.1", None, "0.2").cost(&usage(3, 0, 0)).amount.to_string(), "0.0003");
    }

    #[test]
    fn the_largest_price_of_the_largest_answer_fits() {
        let most = price("1000000", None, "999999.999999999999");
        assert_eq!(most.fault(), None);
        let cost = most.cost(&usage(u32::MAX, 0, u32::MAX));
        assert_eq!(cost.amount.to_string(), "8589934589999.999995705032705");
    }

    #[test]
    fn a_price_that_nobody_means_is_refused() {
        assert_eq!(price("-1", None, "0").fault().unwrap().0, "input");
        assert_eq!(price("0", None, "0.0000000000001").fault().unwrap().0, "output");
        let euro = Price { currency: "euro".to_owned(), ..price("0", None, "0") };
        assert_eq!(euro.fault().unwrap().0, "currency");
    }
}
