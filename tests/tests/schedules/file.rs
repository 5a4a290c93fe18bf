//! Schedules as a file, and the command line beside it.

use std::{process::Stdio, time::Duration};

use e2e::{System, soon};
use serde_json::{Value, json};

/// Runs a command, and gives its exit code and what it wrote to standard output and standard error.
async fn run(system: &System, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(system.command(arguments));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = soon(&format!("{arguments:?}"), Duration::from_secs(30), output).await.expect("a command");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// The same, for a command that must go well and answer with JSON.
async fn json_of(system: &System, arguments: &[&str]) -> Value {
    let (code, out, err) = run(system, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

const FILE: &str = r#"
[schedules.nightly]
cron = "0 3 * * *"
timezone = "Europe/Paris"
task = { kind = "echo", input = { text = "good night" }, tags = ["nightly"] }

[schedules.hourly]
every_ms = 3_600_000
overlap = "queue"
task = { kind = "echo", input = {} }
"#;

/// What a plan of JSON does to each schedule.
fn actions(plan: &Value) -> Vec<(&str, &str)> {
    let steps = plan["data"].as_array().expect("steps").iter();
    steps.map(|step| (step["name"].as_str().expect("a name"), step["action"].as_str().expect("an action"))).collect()
}

#[tokio::test]
async fn a_file_is_applied_changed_and_pruned() {
    let system = System::builder().without_scheduler().start().await;
    let path = system.dir().join("schedules.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("a file");
    let file = path.to_str().expect("a path");
    let apply = async |more: &[&str]| json_of(&system, &[&["schedules", "apply", file, "--json"], more].concat()).await;
    write(FILE);

    // Nothing is done before it is said.
    let created = [("hourly", "create"), ("nightly", "create")];
    assert_eq!(actions(&apply(&["--dry-run"]).await), created);
    assert_eq!(system.database.count("SELECT count(*) FROM schedules").await, 0);
    assert_eq!(actions(&apply(&[]).await), created);
    assert_eq!(actions(&apply(&[]).await), [("hourly", "leave"), ("nightly", "leave")]);

    // What somebody paused stays paused, and what somebody else made is left alone.
    let (code, ..) = run(&system, &["schedules", "pause", "nightly", "--note", "a holiday"]).await;
    assert_eq!(code, 0);
    system
        .client
        .post("/schedules", &json!({ "name": "other", "cron": "@daily", "task": { "kind": "echo", "input": {} } }))
        .await
        .expect(201);
    write(&FILE.replace("0 3 * * *", "0 4 * * *").replace("[schedules.hourly]", "[schedules.each-hour]"));
    let (code, out, err) = run(&system, &["schedules", "apply", file, "--dry-run"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("~ nightly\n    cron: 0 3 * * * -> 0 4 * * *\n"), "{out}");
    assert!(out.contains("+ each-hour\n") && out.contains("? hourly is not in the file any more"), "{out}");
    assert_eq!(err.trim(), "dry run: 1 created, 1 changed, 1 no longer in the file");
    let plan = apply(&["--prune"]).await;
    assert_eq!(actions(&plan), [("each-hour", "create"), ("hourly", "delete"), ("nightly", "change")]);
    let listed = json_of(&system, &["schedules", "list", "--json"]).await;
    let names: Vec<&str> =
        listed["data"].as_array().expect("schedules").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["each-hour", "nightly", "other"]);
    let nightly = json_of(&system, &["schedules", "show", "nightly", "--json"]).await;
    assert_eq!((&nightly["cron"], &nightly["status"]), (&json!("0 4 * * *"), &json!("paused")));

    // What is wrong is said, and the rest is done.
    write(
        "[schedules.bad]\ncron = \"0 25 * * *\"\ntask = { kind = \"echo\", input = {} }\n[schedules.good]\ncron = \"@daily\"\ntask = { kind = \"echo\", input = {} }\n",
    );
    let (code, out, err) = run(&system, &["schedules", "apply", file]).await;
    assert_eq!(code, 2, "{out}{err}");
    assert!(err.contains("/cron  hour, column 3: 25 is not within 0-23") && err.contains("1 created"), "{err}");
    write("[schedules]\nx = 1");
    assert_eq!(run(&system, &["schedules", "apply", file]).await.0, 2);
}

#[tokio::test]
async fn a_person_looks_at_schedules_and_acts_on_them() {
    let system = System::with_worker("default=2").await;
    let (code, _, err) = run(&system, &["schedules", "list"]).await;
    assert!(code == 0 && err.contains("No schedules yet"), "{err}");
    let body = json!({ "name": "paris", "cron": "30 2 * * *", "timezone": "Europe/Paris", "task": { "kind": "echo", "input": {} } });
    system.client.post("/schedules", &body).await.expect(201);
    let (_, out, _) = run(&system, &["schedules", "list"]).await;
    assert!(
        out.lines().nth(1).is_some_and(|line| line.starts_with("paris  active  30 2 * * *  Europe/Paris  echo")),
        "{out}"
    );
    let (_, out, _) = run(&system, &["schedules", "show", "paris"]).await;
    assert!(out.contains("30 2 * * * (Europe/Paris)") && out.contains("0 fired, 0 skipped, 0 failed"), "{out}");
    let (_, out, _) = run(&system, &["schedules", "next", "paris", "-n", "3"]).await;
    assert_eq!(out.lines().count(), 4, "{out}");

    let from = ["--zone", "Europe/Paris", "--from", "2026-03-28T12:00:00Z", "-n", "2"];
    let (_, out, _) = run(&system, &[&["schedules", "preview", "30 2 * * *"], &from[..]].concat()).await;
    assert!(out.contains("2026-03-29 03:00:00+02:00") && out.contains("does not exist on this day"), "{out}");
    let (code, _, err) = run(&system, &["schedules", "preview", "30 2 * *", "--zone", "paris"]).await;
    assert!(code == 2 && err.contains("this has 4") && err.contains("did you mean Europe/Paris?"), "{err}");
    let seen = json_of(&system, &["schedules", "preview", "--every", "90m", "--json"]).await;
    assert_eq!(seen["data"].as_array().map(Vec::len), Some(10));

    let (code, out, err) = run(&system, &["schedules", "run", "paris"]).await;
    assert_eq!(code, 0, "{err}");
    let task = out.trim().to_owned();
    system.client.wait(&task, "succeeded", crate::SOON).await;
    let (_, out, _) = run(&system, &["schedules", "runs", "paris"]).await;
    assert!(out.contains(&task) && out.contains("by hand"), "{out}");
    let (_, out, _) = run(&system, &["schedules", "pause", "paris"]).await;
    assert_eq!(out, "paris is paused\n");
    let (_, out, _) = run(&system, &["schedules", "resume", "paris"]).await;
    assert!(out.starts_with("paris goes on; it fires next at "), "{out}");
    let (_, out, _) = run(&system, &["schedules", "delete", "paris"]).await;
    assert_eq!(out, "paris is removed\n");
    for action in ["show", "pause", "run", "runs", "next", "delete"] {
        let (code, _, err) = run(&system, &["schedules", action, "paris"]).await;
        assert_eq!(code, 3, "{action}: {err}");
    }
}
