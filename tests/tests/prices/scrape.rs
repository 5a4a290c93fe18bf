//! Pages and providers become a history.

use serde_json::json;

use crate::{
    host::{Host, json as answer, offer, page, status},
    scrape, system, texts,
};

const LATEST: &str = "SELECT amount::text FROM price_offers ORDER BY id";
const FACTS: &str = "SELECT amount::text FROM price_observations ORDER BY observed_at";
const CHANGES: &str = "SELECT amount::text FROM price_changes ORDER BY observed_at";

#[tokio::test]
async fn a_price_that_changes_makes_a_history_and_what_fails_leaves_it_alone() {
    let (system, host) = (system().await, Host::start().await);
    let input = json!({ "url": host.at("/kettle") });
    let mut outcomes = Vec::new();
    host.says(
        "/kettle",
        [
            offer("49.00"),
            offer("49.00").header("x-changed", "yes"),
            offer("39.00").header("etag", "\"v3\""),
            status(304),
            offer("0"),
            page("<html>Sold out</html>"),
            page("<html>").header("x", "y"),
            offer("44.50"),
        ],
    );
    for _ in 0..8 {
        let output = scrape(&system, input.clone()).await;
        outcomes.push((output["outcome"].as_str().unwrap_or_default().to_owned(), output["unchanged"] == true));
    }

    let said: Vec<(&str, bool)> = outcomes.iter().map(|(outcome, unchanged)| (outcome.as_str(), *unchanged)).collect();
    let expected = [
        ("ok", false),
        ("ok", true),
        ("ok", false),
        ("ok", true),
        ("refused_zero", false),
        ("no_price", false),
        ("no_price", false),
        ("ok", false),
    ];
    assert_eq!(said, expected);
    assert!(host.heard("/kettle")[3].head.contains("if-none-match: \"v3\""));
    assert_eq!(texts(&system, LATEST).await, ["44.500000000"]);
    let facts = ["49.000000000", "49.000000000", "39.000000000", "39.000000000", "44.500000000"];
    assert_eq!(texts(&system, FACTS).await, facts);
    assert_eq!(texts(&system, CHANGES).await, ["49.000000000", "39.000000000", "44.500000000"]);
    let agents = host.heard("/kettle");
    assert!(agents.iter().all(|heard| heard.head.contains("user-agent: longshore/")), "{agents:?}");
}

#[tokio::test]
async fn a_provider_is_read_by_its_definition_page_by_page_and_half_an_answer_is_not_believed() {
    let (system, host) = (system().await, Host::start().await);
    let row = |name: &str, gpu: &str, price: &str, count: u32| json!({ "name": name, "gpu": gpu, "price": price, "gpus": count });
    let rows = [
        row("h100x8", "NVIDIA H100 SXM5 80GB", "16.00", 8),
        row("a100", "A100 PCIe 80GB", "1.25", 1),
        row("free", "L40S", "0", 1),
        row("odd", "Quux 9000", "2.00", 1),
    ];
    host.says("/types?page=1", [answer(&json!({ "types": &rows[..2] }))]);
    host.says("/types?page=2", [answer(&json!({ "types": &rows[2..] }))]);
    host.says("/types?page=3", [answer(&json!({ "types": [] }))]);
    let definition = json!({
        "id": "harbour", "currency": "USD", "items": ["$.types[*]"],
        "request": { "url": host.at("/types?page=1"), "paginate": { "page": "page", "until_empty": true } },
        "fields": { "sku": "$.name", "gpu": "$.gpu", "count": "$.gpus" },
        "prices": [{ "value": "$.price", "unit": "hour", "per": "instance", "market": "on_demand" }],
        "guard": { "min_rows": 1, "max_drop_pct": 50 },
    });
    let output = scrape(&system, json!({ "provider": definition })).await;
    assert_eq!((&output["outcome"], &output["rows"], &output["requests"]), (&json!("ok"), &json!(3), &json!(3)));
    assert_eq!(output["skipped"], json!({ "price<=0": 1 }));
    let kept = texts(&system, "SELECT concat_ws(' ', gpu, gpu_count, amount) FROM price_offers ORDER BY id").await;
    assert!(kept.contains(&"H100-SXM 8 2.000000000".to_owned()), "{kept:?}");
    assert!(kept.contains(&"A100-PCIe-80GB 1 1.250000000".to_owned()), "{kept:?}");
    assert!(kept.contains(&"1 2.000000000".to_owned()), "an unknown name stays unknown: {kept:?}");

    // The provider forgets most of what it has, and says so with status 200.
    host.says("/types?page=1", [answer(&json!({ "types": [row("a100", "A100 PCIe 80GB", "0.01", 1)] }))]);
    host.says("/types?page=2", [answer(&json!({ "types": [] }))]);
    let output = scrape(&system, json!({ "provider": definition })).await;
    assert_eq!(output["outcome"], "suspicious", "{output}");
    host.says("/types?page=1", [answer(&json!({ "types": [] }))]);
    let output = scrape(&system, json!({ "provider": definition })).await;
    assert_eq!(output["outcome"], "suspicious", "{output}");
    assert_eq!(
        texts(&system, "SELECT concat_ws(' ', gpu, gpu_count, amount) FROM price_offers ORDER BY id").await,
        kept
    );
}

#[tokio::test]
async fn a_page_that_contradicts_itself_is_ambiguous_and_a_rule_decides() {
    let (system, host) = (system().await, Host::start().await);
    let body = r#"<meta property="product:price:amount" content="10.00"><meta property="product:price:currency" content="EUR">
        <div itemscope itemtype="https://schema.org/Product"><div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
        <span itemprop="price" content="12.00">12,00 €</span></div></div><b class="now">1.234,50 €</b>"#;
    host.says("/two", [page(body)]);
    let output = scrape(&system, json!({ "url": host.at("/two") })).await;
    assert_eq!(output["outcome"], "ambiguous");
    assert_eq!(output["prices"].as_array().map(Vec::len), Some(2), "{output}");
    let output = scrape(&system, json!({ "url": host.at("/two"), "extract": { "price": "css:.now" } })).await;
    assert_eq!((&output["outcome"], &output["prices"][0]["amount"]), (&json!("ok"), &json!("1234.50")));
    assert_eq!((&output["prices"][0]["method"], &output["prices"][0]["raw"]), (&json!("css"), &json!("1.234,50 €")));
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_said_at_its_place() {
    let system = system().await;
    let refused = async |input: serde_json::Value| {
        let answer = system.client.post("/tasks", &json!({ "kind": "price.scrape", "input": input })).await.expect(422);
        answer.pointers()
    };
    assert_eq!(refused(json!({})).await, ["/input"]);
    assert_eq!(refused(json!({ "url": "ftp://a.example" })).await, ["/input/url"]);
    let extract = json!({ "url": "https://a.example", "extract": { "price": ["css:.a", "css:["] } });
    assert_eq!(refused(extract).await, ["/input/extract/price/1"]);
    let definition = json!({
        "id": "x", "currency": "USD", "items": ["$.["], "request": { "url": "https://a.example", "auth": { "bearer": "hunter2" } },
        "fields": { "gpu": "$.gpu" }, "prices": [{ "value": "$.p", "unit": "hour", "per": "gpu", "market": "on_demand" }],
    });
    let pointers = refused(json!({ "provider": definition })).await;
    assert_eq!(pointers, ["/input/provider/items/0", "/input/provider/request/auth/bearer"]);
}
