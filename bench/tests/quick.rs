//! The benchmark itself: small selections with the programs as they are built for tests.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench");

/// Runs a selection; gives its exit code, its document and what it said. It must leave nothing behind.
fn bench(program: &Path, only: &str) -> (Option<i32>, Value, String) {
    let folder = folder();
    let run = Command::new(program).args(["--quick", "--json", "--only", only, "--dir"]).arg(folder.path()).output();
    let run = run.expect("the benchmark");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let document = serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(left.is_empty(), "it leaves {left:?}");
    (run.status.code(), document, said)
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("bench-test-").tempdir().expect("a folder")
}

#[test]
fn a_small_selection_gives_figures_and_a_ratio() {
    let (code, document, said) = bench(Path::new(PROGRAM), "insert,submit,wait");
    assert_eq!((code, &document["failures"]), (Some(0), &json!([])), "{said}");
    let value = |name: &str| {
        let figures = document["figures"].as_array().expect("figures");
        let found = figures.iter().find(|figure| figure["name"] == name);
        found.and_then(|figure| figure["value"].as_f64()).unwrap_or_else(|| panic!("{name} is missing: {said}"))
    };
    for name in ["postgres.insert", "postgres.commit.p50", "submit.single", "submit.batch", "wait.p50"] {
        assert!(value(name) > 0.0, "{name}: {}", value(name));
    }
    let rows = document["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["theirs"]["name"] == "postgres.insert").expect("a row with a ratio");
    let ratio = value("submit.batch") / value("postgres.insert");
    assert!((row["ratio"].as_f64().expect("a ratio") - ratio).abs() < 0.001, "{row}");
    assert!(said.contains("synchronous_commit=on") && said.contains("submit, 1,000 a request"), "{said}");
}

#[test]
fn what_fails_is_named_and_the_rest_goes_on() {
    // A benchmark beside a Longshore that cannot start.
    let programs = folder();
    let program = programs.path().join("bench");
    std::fs::copy(PROGRAM, &program).expect("a copy");
    symlink("/bin/false", programs.path().join("longshore")).expect("a link");

    let (code, document, said) = bench(&program, "wait,redis-list");
    assert_eq!(code, Some(1), "{said}");
    let failures = document["failures"].as_array().expect("failures");
    assert_eq!(failures.len(), 1, "{said}");
    assert_eq!(failures[0]["scenario"], "wait");
    assert!(failures[0]["error"].as_str().is_some_and(|error| error.contains("migrate ended")), "{said}");
    let figures = document["figures"].as_array().expect("figures");
    assert!(figures.iter().any(|figure| figure["name"] == "redis.consume"), "{said}");
}
