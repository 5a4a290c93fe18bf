//! The suites of others, where a checkout has them: `LONGSHORE_CONFORMANCE` is the folder.

use std::path::PathBuf;

use jobs_prices::{
    json::Json,
    path::{Document, Path},
    robots::Robots,
};
use serde_json::Value;

/// A file of the folder; without it the test says so and passes.
fn suite(name: &str) -> Option<Value> {
    #[expect(clippy::disallowed_methods, reason = "a test that stands alone: it has no configuration")]
    let folder = std::env::var_os("LONGSHORE_CONFORMANCE");
    let Some(folder) = folder.map(PathBuf::from) else {
        eprintln!("skipped: LONGSHORE_CONFORMANCE is not set");
        return None;
    };
    let file = folder.join("price").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
    Some(serde_json::from_str(&text).unwrap_or_else(|err| panic!("{}: {err}", file.display())))
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
