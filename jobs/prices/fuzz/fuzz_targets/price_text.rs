//! No text makes the reader of prices panic.
#![no_main]

use jobs_prices::text::{self, Hints};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The first line is the hint, where there are several.
    let (currency, text) = text.split_once('\n').map_or((None, text), |(hint, text)| (Some(hint), text));
    let reading = text::read(text, Hints { currency, decimal: None });
    assert!(reading.amount.is_some() != reading.refused.is_some());
});
