//! Definitions: those that come with the program, and those that must be refused.

use jobs_prices::{
    eval, gpu,
    json::Json,
    path::Document,
    provider::{Definition, Fault, ReadError, SkipReason, Suspicion, shipped},
};
use serde_json::{Value, json};

#[test]
fn every_shipped_definition_reads_its_sample() {
    for shipped in shipped() {
        let id = shipped.id;
        let definition: Definition = toml::from_str(shipped.definition).unwrap_or_else(|err| panic!("{id}: {err}"));
        assert_eq!(definition.id, id);
        assert!(
            definition.source.is_some() && definition.verified_at.is_some(),
            "{id} says where its shape is from, and when it was compared"
        );
        let provider = definition.compile().unwrap_or_else(|faults| panic!("{id}: {faults:?}"));
        let sample = Json::parse(shipped.sample).unwrap_or_else(|err| panic!("{id}: {err}"));
        let response = sample.get("response").unwrap_or_else(|| panic!("{id} has no sample")).clone();
        let answer = provider.read_document(&Document::from(response)).unwrap_or_else(|err| panic!("{id}: {err}"));
        let offers: Value = answer.offers.iter().map(eval::offer).collect();
        let skipped: Value = answer.skipped.iter().map(|skip| json!([skip.reason, skip.item])).collect();
        assert_eq!(Some(&offers), sample.get("offers").map(Json::to_value).as_ref(), "{id}");
        assert_eq!(Some(&skipped), sample.get("skipped").map(Json::to_value).as_ref(), "{id}");
        assert_eq!(provider.suspicion(answer.offers.len(), None), None, "{id}");
        // Prices by the OctaneBench hour are of no GPU, and a 3060 has a class by its memory alone.
        for offer in answer.offers.iter().filter(|offer| offer.market != "render_job") {
            assert!(gpu::name(&offer.gpu_raw, offer.vram_gb).gpu.is_some(), "{id}: {}", offer.gpu_raw);
        }
    }
}

/// A definition that is right, to be made wrong.
fn definition() -> Value {
    json!({
        "id": "shop", "currency": "USD", "items": ["$.rows[*]"],
        "request": {"url": "https://shop.test/api", "auth": {"bearer": "secret:SHOP_KEY"}},
        "fields": {"sku": "$.id", "gpu": "$.gpu", "count": "$.n"},
        "prices": [{"value": "$.price", "unit": "hour", "per": "instance", "market": "on_demand"}],
    })
}

fn faults(change: impl FnOnce(&mut Value)) -> Vec<Fault> {
    let mut data = definition();
    change(&mut data);
    let definition: Definition = serde_json::from_value(data).expect("the shape is right");
    definition.compile().err().unwrap_or_default()
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(faults(|_| {}), []);
    let places = |change: fn(&mut Value)| faults(change).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>();
    assert_eq!(places(|data| data["items"][0] = json!("$.[")), ["/items/0"]);
    assert_eq!(
        places(|data| data["fields"]["gpu"] = json!({"path": "$.g", "pipe": [{"regex": "("}]})),
        ["/fields/gpu/pipe/0/regex"]
    );
    assert_eq!(places(|data| data["fields"]["colour"] = json!("$.c")), ["/fields/colour"]);
    assert_eq!(places(|data| data["fields"]["sku"] = json!("^^.id")), ["/fields/sku"]);
    assert_eq!(places(|data| data["currency"] = json!("dollars")), ["/currency"]);
    assert_eq!(
        places(|data| data["prices"][0]["value"] = json!({"path": "$.p", "pipe": [{"div": {"path": "$["}}]})),
        ["/prices/0/value/pipe/0/div/path"]
    );
    assert_eq!(places(|data| data["request"]["url"] = json!("ftp://shop.test")), ["/request/url"]);
    assert_eq!(places(|data| data["request"]["rate"] = json!("often")), ["/request/rate"]);
}

#[test]
fn a_secret_that_is_written_down_is_refused_and_not_repeated() {
    let found = faults(|data| data["request"]["auth"] = json!({"header": {"X-Key": "sk-live-123"}}));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].pointer, "/request/auth/header/X-Key");
    assert!(!found[0].to_string().contains("sk-live"), "{}", found[0]);
    assert_eq!(
        faults(|data| data["request"]["headers"] = json!({"Authorization": "Bearer x"}))[0].pointer,
        "/request/headers/Authorization"
    );
}

#[test]
fn units_that_are_unknown_are_refused() {
    let mut data = definition();
    data["prices"][0]["unit"] = json!("fortnight");
    let err = serde_json::from_value::<Definition>(data).unwrap_err().to_string();
    assert!(err.contains("fortnight"), "{err}");
}

#[test]
fn units_and_counts_become_the_price_of_a_gpu_hour() {
    let hourly = |unit: &str, per: &str, price: &str| {
        let mut data = definition();
        data["prices"][0]["unit"] = json!(unit);
        data["prices"][0]["per"] = json!(per);
        let provider = serde_json::from_value::<Definition>(data).unwrap().compile().unwrap();
        let answer = provider
            .read(&format!("{{\"rows\": [{{\"id\": 1, \"gpu\": \"T4\", \"n\": 4, \"price\": {price}}}]}}"))
            .unwrap();
        answer.offers[0].price_per_gpu_hour.to_string()
    };
    assert_eq!(hourly("hour", "instance", "27.875342465753424"), "6.968835616438356");
    assert_eq!(hourly("second", "gpu", "0.0001"), "0.36");
    assert_eq!(hourly("minute", "gpu", "1e-2"), "0.6");
    assert_eq!(hourly("day", "instance", "\"96\""), "1");
    assert_eq!(hourly("month", "gpu", "1460"), "2");
}

#[test]
fn failures_and_poor_answers_are_told_apart() {
    let mut data = definition();
    data["error"] = json!("$.errors");
    data["guard"] = json!({"min_rows": 2, "max_drop_pct": 50, "price_range": ["0.1", "10"]});
    let provider = serde_json::from_value::<Definition>(data).unwrap().compile().unwrap();
    assert!(
        matches!(provider.read(r#"{"errors": [{"message": "no"}], "rows": []}"#), Err(ReadError::Failed(text)) if text.contains("no"))
    );
    assert!(matches!(provider.read("<html>"), Err(ReadError::Json(_))));
    assert!(matches!(provider.read(&"[".repeat(10_000)), Err(ReadError::Json(_))));
    let rows = r#"{"rows": [{"id": "a", "gpu": "T4", "n": 1, "price": 1000}, {"id": "b", "gpu": "T4", "price": 1},
        {"id": "c", "n": 1, "price": 1}, {"id": "d", "gpu": "T4", "n": 1}, {"id": "e", "gpu": "T4", "n": 1, "price": "soon"}]}"#;
    let reasons: Vec<SkipReason> = provider.read(rows).unwrap().skipped.iter().map(|skip| skip.reason).collect();
    assert_eq!(
        reasons,
        [SkipReason::OutOfRange, SkipReason::Count, SkipReason::Gpu, SkipReason::NoPrice, SkipReason::BadPrice]
    );
    assert_eq!(provider.suspicion(1, None), Some(Suspicion::TooFew));
    assert_eq!(provider.suspicion(49, Some(100)), Some(Suspicion::Dropped));
    assert_eq!(provider.suspicion(50, Some(100)), None);
}
