//! No page makes the finder of offers panic.
#![no_main]

use jobs_prices::page::{self, Options, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|page: &str| {
    let _ = page::read(page, &Rules::default(), &Options::default());
});
