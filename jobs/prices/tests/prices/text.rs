//! Price texts of fifty locales, and whatever else may stand where a price should.

use jobs_prices::{
    Currency,
    text::{self, Hints, Kind, Reading},
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;

const CASES: &str = include_str!("../data/price-text.jsonl");

#[test]
fn every_convention_is_read_as_it_is_meant() {
    let cases: Vec<Value> = CASES.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(cases.len() >= 300, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(difference).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// How the reading of a case differs from what it should be.
fn difference(case: &Value) -> Option<String> {
    let text = case["text"].as_str()?;
    let decimal = case["decimal"].as_str().and_then(|text| text.chars().next());
    let reading = text::read(text, Hints { currency: case["hint"].as_str(), decimal });
    let answer = serde_json::to_value(&reading).expect("a reading is JSON");

    let expected = case["currency"].as_str();
    let may_be = reading.currencies.iter().any(|currency| Some(currency.code()) == expected);
    let currency_is_right = match expected {
        None => reading.currency.is_none(),
        Some(_) => may_be,
    };
    let is_right = |field: &str, none: Value| {
        let expected = case.get(field).cloned().unwrap_or(none);
        answer[field] == expected
    };
    let kind_is_right = case.get("kind").is_none_or(|kind| *kind == answer["kind"]);
    let others_are_right = case.get("others").is_none_or(|others| *others == answer["others"]);
    let right = answer["amount"] == case["amount"]
        && currency_is_right
        && kind_is_right
        && others_are_right
        && is_right("per", Value::Null)
        && is_right("refused", Value::Null)
        && is_right("ambiguous", Value::Bool(false));
    (!right).then(|| format!("{case}\n   -> {answer}"))
}

fn read(text: &str) -> Reading {
    text::read(text, Hints::default())
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in any::<String>(), hint in any::<Option<String>>()) {
        let reading = text::read(&text, Hints { currency: hint.as_deref(), decimal: None });
        prop_assert!(reading.amount.is_some() != reading.refused.is_some());
    }

    #[test]
    fn what_looks_like_a_price_is_never_too_strange(text in "[-+0-9.,' \u{a0}€$£%/:a-zа-я٠-٩]{0,40}") {
        let reading = read(&text);
        prop_assert!(reading.amount.is_some() != reading.refused.is_some());
    }

    #[test]
    fn an_amount_comes_back_however_it_is_grouped(
        whole in 0_u64..10_000_000_000,
        cents in 0_u8..100,
        (group, point) in prop::sample::select(vec![("", "."), (",", "."), (".", ","), (" ", ","), ("\u{202f}", ","), ("’", ".")]),
    ) {
        let text = format!("{}{point}{cents:02} EUR", grouped(whole, group));
        let expected: Decimal = format!("{whole}.{cents:02}").parse().expect("a decimal");
        let reading = read(&text);
        prop_assert_eq!(reading.amount, Some(expected), "{}", text);
        prop_assert_eq!(reading.currency, Currency::of("EUR"));
        prop_assert_eq!(reading.kind, Kind::Exact);
    }
}

fn grouped(whole: u64, group: &str) -> String {
    let digits = whole.to_string();
    let first = (digits.len() - 1) % 3 + 1;
    let (head, tail) = digits.split_at(first);
    let rest = tail.as_bytes().chunks(3).map(|chunk| String::from_utf8_lossy(chunk).into_owned());
    [head.to_owned()].into_iter().chain(rest).collect::<Vec<_>>().join(group)
}
