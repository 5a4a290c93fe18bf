//! Pages of shops, as they are and as they should not be.

use jobs_prices::{
    page::{self, Method, Options, Outcome, Reading, Rules},
    text::Kind,
};
use rust_decimal::Decimal;

fn read(html: &str) -> Reading {
    page::read(html, &Rules::default(), &Options::default())
}

fn json_ld(json: &str) -> String {
    format!("<html><head><script type=\"application/ld+json\">{json}</script></head><body>7.77</body></html>")
}

fn price(reading: &Reading) -> Option<String> {
    reading.offer.as_ref().map(|offer| offer.price.to_string())
}

#[test]
fn a_product_says_all_of_itself() {
    let reading = read(&json_ld(
        r#"{"@context": "https://schema.org", "@graph": [{"@type": "WebPage", "mainEntity": {"@type": "Product", "name": " Tea  pot ",
        "sku": "T-1", "gtin13": "4006381333931", "image": [{"url": "/pot.jpg"}], "offers": {"@type": "Offer", "price": "1.299,50",
        "priceCurrency": "EUR", "availability": "https://schema.org/LimitedAvailability", "priceSpecification": [
        {"@type": "UnitPriceSpecification", "price": "1499.00", "priceCurrency": "EUR", "priceType": "https://schema.org/StrikethroughPrice"},
        {"@type": "UnitPriceSpecification", "price": 12.99, "referenceQuantity": {"value": 100}}]},
        "isRelatedTo": {"@type": "Product", "offers": {"price": 5}}}}]}"#,
    ));
    assert_eq!(reading.outcome, Outcome::Ok);
    let offer = reading.offer.unwrap();
    assert_eq!((offer.price.to_string().as_str(), offer.currency.unwrap().code()), ("1299.50", "EUR"));
    assert_eq!(offer.list_price.unwrap().to_string(), "1499.00");
    assert_eq!(offer.availability, Some("LimitedAvailability"));
    assert_eq!(offer.name.as_deref(), Some("Tea pot"));
    assert_eq!(
        (offer.sku.as_deref(), offer.gtin.as_deref(), offer.image.as_deref()),
        (Some("T-1"), Some("4006381333931"), Some("/pot.jpg"))
    );
    assert_eq!((offer.evidence.method, offer.evidence.raw.as_str()), (Method::JsonLd, "1.299,50"));
    assert_eq!(offer.evidence.path, "ld+json[0]$.@graph[0].mainEntity.offers.price");
    assert_eq!(reading.body_sha256.len(), 64);
}

#[test]
fn what_json_ld_gets_wrong_is_forgiven() {
    for json in [
        "<!-- {\"@type\": \"product\", \"Offers\": {\"Price\": 5, \"priceCurrency\": \"usd\",},} -->",
        "//<![CDATA[\n{\"@type\": \"Product\", \"name\": \"two\nlines\t\u{1}\", \"offers\": [{\"price\": \"5.00\"}]}\n//]]>",
        "{&quot;@type&quot;: &quot;Product&quot;, &quot;offers&quot;: {&quot;price&quot;: &quot;5&quot;}}",
    ] {
        assert_eq!(read(&json_ld(json)).offer.map(|offer| offer.price.normalize()), Some(Decimal::from(5)), "{json}");
    }
    let amount =
        r#"{"@type": "Product", "offers": {"price": {"@type": "MonetaryAmount", "value": "5.00", "currency": "EUR"}}}"#;
    assert_eq!(
        read(&json_ld(amount)).offer.and_then(|offer| offer.currency).map(|currency| currency.code()),
        Some("EUR")
    );
    let by_reference =
        r##"[{"@type": "Product", "offers": {"@id": "#o"}}, {"@type": "Offer", "@id": "#o", "price": 5}]"##;
    assert_eq!(price(&read(&json_ld(by_reference))).as_deref(), Some("5"));
    let in_circles = r##"[{"@type": "Product", "offers": {"@id": "#a"}}, {"@id": "#a", "offers": {"@id": "#b"}}, {"@id": "#b", "offers": {"@id": "#a"}}]"##;
    assert_eq!(read(&json_ld(in_circles)).outcome, Outcome::NoPrice);
}

#[test]
fn different_prices_are_a_contradiction_until_something_selects() {
    let html = json_ld(
        r#"{"@type": "ProductGroup", "name": "Shirt", "hasVariant": [
        {"@type": "Product", "sku": "S", "offers": {"price": 10, "priceCurrency": "USD", "url": "/shirt?size=s"}},
        {"@type": "Product", "sku": "L", "offers": {"price": 12, "priceCurrency": "USD", "url": "/shirt?size=l"}}]}"#,
    );
    let all = read(&html);
    assert_eq!((all.outcome, all.offer.is_none(), all.candidates.len()), (Outcome::Ambiguous, true, 2));
    let large = page::read(&html, &Rules::default(), &Options { sku: Some("L"), ..Options::default() });
    assert_eq!(price(&large).as_deref(), Some("12"));
    assert_eq!(large.offer.unwrap().name.as_deref(), Some("Shirt"));
    let small = page::read(
        &html,
        &Rules::default(),
        &Options { url: Some("https://shop.test/shirt?size=s"), ..Options::default() },
    );
    assert_eq!(price(&small).as_deref(), Some("10"));
}

#[test]
fn the_lowest_of_several_is_a_price_from() {
    let reading = read(&json_ld(
        r#"{"@type": "Product", "offers": {"@type": "AggregateOffer", "lowPrice": "99.00", "highPrice": "149.00", "priceCurrency": "GBP",
        "offers": [{"price": "99.00", "availability": "InStock"}, {"price": "149.00", "availability": "InStock"}]}}"#,
    ));
    let offer = reading.offer.unwrap();
    assert_eq!(
        (offer.price.to_string().as_str(), offer.price_kind, offer.availability),
        ("99.00", Kind::From, Some("InStock"))
    );
}

#[test]
fn a_list_of_other_products_is_not_this_one() {
    let member = |price: &str| {
        format!(r#"{{"@type": "ListItem", "item": {{"@type": "Product", "offers": {{"price": {price}}}}}}}"#)
    };
    let list = |members: &[String]| format!(r#"{{"@type": "ItemList", "itemListElement": [{}]}}"#, members.join(","));
    assert_eq!(read(&json_ld(&list(&[member("5"), member("6")]))).outcome, Outcome::NoPrice);
    assert_eq!(price(&read(&json_ld(&list(&[member("5")])))).as_deref(), Some("5"));
    let beside =
        format!(r#"[{}, {{"@type": "Product", "offers": {{"price": 9}}}}]"#, list(&[member("5"), member("6")]));
    assert_eq!(price(&read(&json_ld(&beside))).as_deref(), Some("9"));
}

#[test]
fn microdata_and_open_graph_are_read_and_must_agree() {
    let microdata = r#"<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Pot</h1><div itemprop="offers" itemscope
        itemtype="https://schema.org/Offer"><span itemprop="price" content="19.90">19,90 €</span><meta itemprop="priceCurrency" content="EUR">
        <link itemprop="availability" href="https://schema.org/OutOfStock"></div></div>"#;
    let offer = read(microdata).offer.unwrap();
    assert_eq!((offer.price.to_string().as_str(), offer.currency.unwrap().code()), ("19.90", "EUR"));
    assert_eq!(
        (offer.name.as_deref(), offer.availability, offer.evidence.method),
        (Some("Pot"), Some("OutOfStock"), Method::Microdata)
    );

    let graph = |price: &str| {
        format!(
            r#"<meta property="product:price:amount" content="{price}"><meta property="product:price:currency" content="EUR">"#
        )
    };
    assert_eq!(read(&graph("19.90")).offer.unwrap().evidence.method, Method::OpenGraph);
    assert_eq!(read(&format!("{}{microdata}", graph("19.9"))).outcome, Outcome::Ok);
    assert_eq!(read(&format!("{}{microdata}", graph("21.00"))).outcome, Outcome::Ambiguous);
}

#[test]
fn nothing_and_zero_are_not_prices() {
    assert_eq!(read("<p>Call us</p>").outcome, Outcome::NoPrice);
    let zero = json_ld(r#"{"@type": "Product", "offers": {"price": "0.00"}}"#);
    assert_eq!(read(&zero).outcome, Outcome::RefusedZero);
    let allowed = page::read(&zero, &Rules::default(), &Options { zero_allowed: true, ..Options::default() });
    assert_eq!(allowed.outcome, Outcome::Ok);
    assert_eq!(read(&json_ld(r#"{"@type": "Product", "offers": {"price": -5}}"#)).outcome, Outcome::NoPrice);
}

#[test]
fn rules_come_first_and_decide_alone() {
    let html = format!(
        "{}<b class=now data-eur='8.50'>8,50&nbsp;€</b><script>window.__STATE__ = {{\"p\": {{\"price\": 8.505, \"cur\": \"EUR\"}}}};</script>\
        <script id=__NEXT_DATA__ type='application/json'>{{\"n\": 9.990}}</script>",
        json_ld(r#"{"@type": "Product", "offers": {"price": 99}}"#)
    );
    let by = |price: &str, currency: Option<&str>| {
        let currency = currency.map(|rule| rule.parse().unwrap()).into_iter().collect();
        let rules = Rules {
            price: vec!["css:.nowhere".parse().unwrap(), price.parse().unwrap()],
            currency,
            ..Rules::default()
        };
        let offer = page::read(&html, &rules, &Options::default()).offer?;
        Some((offer.price.to_string(), offer.currency.map(|currency| currency.code()), offer.evidence.method))
    };
    assert_eq!(by("css:.now", None), Some(("8.50".into(), Some("EUR"), Method::Css)));
    assert_eq!(by("css:.now@data-eur", None), Some(("8.50".into(), None, Method::Css)));
    assert_eq!(
        by("jsonpath:$.p.price", Some("jsonpath:$.p.cur")),
        Some(("8.505".into(), Some("EUR"), Method::JsonPath))
    );
    assert_eq!(by("jsonpath:$.n", None), Some(("9.990".into(), None, Method::JsonPath)));
    assert_eq!(by(r"regex:data-eur='([0-9.]+)'", None), Some(("8.50".into(), None, Method::Regex)));
    assert_eq!(by("css:.missing", None), None);
}

#[test]
fn hostile_pages_have_a_clear_outcome() {
    let nested = |levels: usize| format!("{}<b itemprop=price>5</b>", "<div itemprop=price itemscope>".repeat(levels));
    assert_eq!(price(&read(&nested(1_000))).as_deref(), Some("5"));
    assert_eq!(read(&nested(10_000)).outcome, Outcome::Parse);
    let spans = format!("{}5{}", "<span itemprop=price>".repeat(1_000), "</span>".repeat(1_000));
    assert!(read(&spans).candidates.len() <= 200);
    let deep = json_ld(&format!("{}1{}", "{\"offers\":".repeat(10_000), "}".repeat(10_000)));
    assert_eq!(read(&deep).outcome, Outcome::NoPrice);
    let control: String = (1_u8..32).map(char::from).collect();
    let odd = json_ld(&format!("{{\"@type\": \"Product\", \"name\": \"a{control}b\", \"offers\": {{\"price\": 5}}}}"));
    assert_eq!(price(&read(&odd)).as_deref(), Some("5"));
    let many = format!("[{}]", vec![r#"{"@type": "Product", "offers": {"price": 5}}"#; 20_000].join(","));
    assert_eq!(price(&read(&json_ld(&many))).as_deref(), Some("5"));
}
