//! How many pages of 50 KB one core reads in a second: `cargo run --release -p jobs-prices --example throughput`.

use std::{
    fmt::Write,
    hint::black_box,
    time::{Duration, Instant},
};

use jobs_prices::page::{self, Options, Rules};

fn main() {
    let pages: Vec<String> = (0..20).map(page_of).collect();
    let mut sizes: Vec<usize> = pages.iter().map(String::len).collect();
    sizes.sort_unstable();
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(3) {
        for page in &pages {
            black_box(page::read(page, &Rules::default(), &Options::default()));
            count += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} pages a second of {} bytes (median)", f64::from(count) / seconds, sizes[sizes.len() / 2]);
}

/// A page with what pages of shops have: navigation, scripts, a product, its data, and others like it.
fn page_of(seed: usize) -> String {
    let mut page = "<!doctype html><html lang=en><head><title>Shop</title>".to_owned();
    for script in 0..6 {
        let _ = write!(page, "<script>var a{script}={{\"k\":[{}]}};</script>", "\"value\",".repeat(250));
    }
    let _ = write!(
        page,
        "<script type=\"application/ld+json\">{{\"@context\":\"https://schema.org\",\"@type\":\"Product\",\"name\":\"Pot {seed}\",\"sku\":\"P-{seed}\",\
        \"offers\":{{\"@type\":\"Offer\",\"price\":\"{}.90\",\"priceCurrency\":\"EUR\",\"availability\":\"https://schema.org/InStock\"}}}}</script>\
        <meta property=\"product:price:amount\" content=\"{0}.90\"><meta property=\"product:price:currency\" content=\"EUR\"></head><body>",
        seed + 10
    );
    for row in 0..(150 + seed * 5) {
        let _ = write!(
            page,
            "<div class=\"tile tile--{row}\" data-id=\"{row}\"><a href=\"/products/{row}?ref=list\"><img src=\"/i/{row}.jpg\" alt=\"\"><span class=name>Thing {row}</span>\
            </a><span class=\"price\"><b>{row}</b>,99&nbsp;&euro;</span><button>Add</button></div>"
        );
    }
    page.push_str("</body></html>");
    page
}
