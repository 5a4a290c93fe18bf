//! Reads cases from standard input and writes an answer for each: `cargo run -p jobs-prices --example eval --
//! price-text < cases.jsonl`.

use std::io::{self, BufRead, Write};

use jobs_prices::eval::Form;

fn main() -> io::Result<()> {
    let form: Form = std::env::args().nth(1).unwrap_or_default().parse().map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        writeln!(out, "{}", form.answer(&line?))?;
    }
    out.flush()
}
