//! The suites of others, where a checkout has them: `LONGSHORE_CONFORMANCE` is the folder.

use std::path::PathBuf;

use jobs_prices::{
    compare::{Class, Quote, arbitrage},
    eval, gpu,
    json::Json,
    path::{Document, Path},
    provider::{Answer, Definition},
    robots::Robots,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A file of the folder, read; without the folder the test says so and passes.
fn suite(name: &str) -> Option<Value> {
    let (file, text) = file(name)?;
    Some(serde_json::from_str(&text).unwrap_or_else(|err| panic!("{}: {err}", file.display())))
}

/// The name and the text of a file of the folder.
fn file(name: &str) -> Option<(PathBuf, String)> {
    #[expect(clippy::disallowed_methods, reason = "a test that stands alone: it has no configuration")]
    let folder = std::env::var_os("LONGSHORE_CONFORMANCE");
    let Some(folder) = folder.map(PathBuf::from) else {
        eprintln!("skipped: LONGSHORE_CONFORMANCE is not set");
        return None;
    };
    let file = folder.join("price").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    Some((file, text))
}

fn array<'a>(suite: &'a Value, name: &str) -> &'a Vec<Value> {
    suite[name].as_array().unwrap_or_else(|| panic!("the suite has no {name}"))
}

#[track_caller]
fn all_right(wrong: &[String], of: usize) {
    eprintln!("{} of {of} are right", of - wrong.len());
    assert!(wrong.is_empty(), "{} of {of} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn robots_are_obeyed_as_the_standard_says() {
    let Some(suite) = suite("robots_spec_cases.json") else { return };
    let is_standard = |case: &&Value| case["google_specific"] == false && case.get("conflict").is_none();
    let cases: Vec<&Value> = array(&suite, "cases").iter().filter(is_standard).collect();
    let wrong = cases.iter().filter_map(|case| {
        let file: Vec<u8> = match (case["robots"].as_str(), case["robots_latin1"].as_str()) {
            (Some(text), _) => text.into(),
            // Bytes that are no text are kept as the characters of Latin-1.
            (None, Some(latin1)) => latin1.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect(),
            (None, None) => Vec::new(),
        };
        let (agent, url) = (case["user_agent"].as_str()?, case["url"].as_str()?);
        let verdict = Robots::parse(&file).verdict(agent, url);
        (Some(verdict.allowed) != case["allowed"].as_bool())
            .then(|| format!("{} {}: {agent} {url} {verdict:?}", case["file"], case["test"]))
    });
    all_right(&wrong.collect::<Vec<_>>(), cases.len());
}

#[test]
fn paths_find_what_the_standard_says() {
    let Some(suite) = suite("jsonpath_cts.json") else { return };
    let cases = array(&suite, "tests");
    let wrong: Vec<String> = cases.iter().filter_map(path_fault).collect();
    all_right(&wrong, cases.len());
}

fn path_fault(case: &Value) -> Option<String> {
    let selector = case["selector"].as_str()?;
    let path = selector.parse::<Path>();
    if case["invalid_selector"] == true {
        return path.is_ok().then(|| format!("{}: {selector} should be refused", case["name"]));
    }
    let path = match path {
        Ok(path) => path,
        Err(err) => return Some(format!("{}: {selector}: {err}", case["name"])),
    };
    let document = Document::from(Json::from(&case["document"]));
    let found = path.query_located(document.root());
    let values: Value = found.iter().map(|(_, node)| node.json.to_value()).collect();
    let places: Value = found.iter().map(|(place, _)| Value::String(place.to_string())).collect();
    let is_one_of =
        |one: &str, many: &str, found: &Value| match (case.get(one), case.get(many).and_then(Value::as_array)) {
            (Some(expected), _) => expected == found,
            (None, Some(any)) => any.contains(found),
            (None, None) => true,
        };
    let right = is_one_of("result", "results", &values) && is_one_of("result_paths", "results_paths", &places);
    (!right).then(|| format!("{}: {selector} found {values} at {places}", case["name"]))
}

#[test]
fn providers_are_read_by_their_definitions_alone() {
    const PROVIDERS: [&str; 8] = ["akash", "digitalocean", "ionet", "jarvislabs", "runpod", "seeweb", "vast", "vultr"];
    for id in PROVIDERS {
        let name = format!("providers/def_{id}.json");
        let (Some((_, text)), Some(case)) = (file(&name), suite(&name)) else { return };
        let definition: Definition =
            serde_json::from_value(case["definition"].clone()).unwrap_or_else(|err| panic!("{id}: {err}"));
        let provider = definition.compile().unwrap_or_else(|faults| panic!("{id}: {faults:?}"));
        // From the text itself, so that the figures are those of the file.
        let response = Json::parse(&text).expect(id).get("response").expect(id).clone();
        let answer = provider.read_document(&Document::from(response)).expect(id);
        let (offers, skipped) = as_in_the_suite(&answer);
        assert_eq!(offers, case["offers"], "{id}");
        assert_eq!(skipped, case["skipped"], "{id}");
    }
}

/// The suite has fewer fields, floats for sizes, and six decimals.
fn as_in_the_suite(answer: &Answer) -> (Value, Value) {
    let float = |figure: Option<Decimal>| figure.map(|figure| figure.to_string().parse::<f64>().expect("a float"));
    let offer = |offer: &jobs_prices::provider::Offer| {
        json!({
            "provider": offer.provider, "seller": offer.seller, "sku": offer.sku, "gpu_raw": offer.gpu_raw,
            "vram_gb": float(offer.vram_gb), "gpu_count": offer.gpu_count, "region": offer.region, "market": offer.market,
            "tier": offer.tier, "currency": offer.currency, "available": offer.available, "reliability": float(offer.reliability),
            "price_per_gpu_hour": offer.price_per_gpu_hour.round_dp(6).normalize().to_string(),
        })
    };
    let skipped = answer.skipped.iter().map(|skip| json!([skip.reason, skip.item])).collect();
    (answer.offers.iter().map(offer).collect(), skipped)
}

#[test]
fn gpus_are_known_by_their_names() {
    let Some(Value::Array(cases)) = suite("gpu_names_some.json") else { return };
    let wrong = cases.iter().filter_map(|case| {
        let raw = case["raw"].as_str().expect("raw");
        let named = gpu::name(raw, None);
        (named.gpu != case["gpu"].as_str()).then(|| format!("{raw}: {named:?} is not {}", case["gpu"]))
    });
    all_right(&wrong.collect::<Vec<_>>(), cases.len());
}

#[test]
fn specifications_and_performance_are_those_that_were_published() {
    let Some(suite) = suite("gpu_specs.json") else { return };
    let wrong = array(&suite, "gpus").iter().filter_map(|case| {
        let spec = gpu::spec(case["gpu"].as_str()?);
        let performance = spec.and_then(gpu::Spec::performance).map(|performance| performance.round_dp(1));
        let expected: Decimal = case["g_perf"].to_string().parse().expect("g_perf");
        (performance != Some(expected)).then(|| format!("{}: {performance:?} is not {expected}", case["gpu"]))
    });
    all_right(&wrong.collect::<Vec<_>>(), array(&suite, "gpus").len());
}

#[test]
fn arbitrage_is_right_to_the_last_decimal() {
    let Some(suite) = suite("gpu_arbitrage.json") else { return };
    let offers: Vec<Quote> = serde_json::from_value(suite["observations"].clone()).expect("observations");
    let default = || Class { gpu: Some("A100-PCIe-80GB".into()), ..Class::default() };
    let cases = [
        ("on_demand_default", default(), 15),
        ("on_demand_min_spread_40", default(), 40),
        ("on_demand_available_only", Class { available_only: true, ..default() }, 15),
        ("on_demand_single_gpu", Class { gpu_count: Some(1), ..default() }, 15),
        ("spot", Class { market: "spot".into(), ..default() }, 15),
        ("age_limit_48h", Class { max_age_s: 48 * 3_600, ..default() }, 15),
        ("nothing_fresh", Class { max_age_s: 1, ..default() }, 15),
    ];
    let expected = suite["expected"].as_object().expect("expected");
    assert_eq!(cases.len(), expected.len());
    for (name, class, min_spread_pct) in cases {
        let found = serde_json::to_value(arbitrage(&class, &offers, Decimal::from(min_spread_pct))).expect("JSON");
        // What is not in the answer of the suite is null in ours.
        for (field, value) in found.as_object().expect("an object") {
            assert_eq!(Some(value), expected[name].get(field).or(Some(&Value::Null)), "{name}: {field}");
        }
    }
}

#[test]
fn pages_are_read_as_their_readers_meant() {
    let Some(suite) = suite("product_offers.json") else { return };
    let wrong = array(&suite, "cases").iter().filter_map(|case| {
        let answer: Value = serde_json::from_str(&eval::Form::Page.answer(&case.to_string())).expect("JSON");
        let price = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
        let outcome = case.get("outcome").cloned().unwrap_or_else(|| json!("ok"));
        let right = price(&answer["price"]) == price(&case["price"])
            && ["currency", "availability"].iter().all(|field| answer[field] == case[field])
            && answer["outcome"] == outcome;
        (!right).then(|| format!("{}: {answer}", case["id"]))
    });
    all_right(&wrong.collect::<Vec<_>>(), array(&suite, "cases").len());
}
