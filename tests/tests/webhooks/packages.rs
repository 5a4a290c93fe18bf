//! Receivers that others wrote: the packages of PyPI and npm believe every request through rotations of the secret, and no changed byte.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use e2e::{Process, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SOON, delivery, endpoint, system};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/receivers");

/// A receiver that runs.
struct Running {
    process: Process,
    secrets: PathBuf,
}

impl Running {
    fn start(system: &System, name: &str, mut command: Command, script: &str) -> Self {
        let secrets = system.dir().join(format!("{name}-secrets.json"));
        command.arg(Path::new(FOLDER).join(script)).arg(&secrets);
        let process = Process::spawn(name, command, system.dir().join(format!("{name}.log")));
        Self { process, secrets }
    }

    fn knows(&self, good: &[&str], bad: &[&str]) {
        std::fs::write(&self.secrets, json!({ "good": good, "bad": bad }).to_string()).expect("a file");
    }

    async fn url(&self) -> String {
        let port = eventually("it listens", SOON, async || {
            let log = self.process.log();
            log.lines().find_map(|line| line.strip_prefix("port ")?.parse::<u16>().ok())
        });
        format!("http://127.0.0.1:{}/", port.await)
    }
}

/// Runs what installs a package, and fails with what it said.
fn install(what: &str, command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stderr));
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|answer| answer.status.success())
}

/// Python with the package, if there is a Python.
fn python(folder: &Path) -> Option<Command> {
    if !is_there("python3") {
        println!("skipped: there is no python3 here");
        return None;
    }
    install("make a virtual environment", Command::new("python3").args(["-m", "venv"]).arg(folder));
    let requirements = format!("{FOLDER}/requirements.txt");
    install("pip install", Command::new(folder.join("bin/pip")).args(["install", "-q", "-r", &requirements]));
    Some(Command::new(folder.join("bin/python")))
}

/// Node with the package, if there is a Node.
fn node(folder: &Path) -> Option<Command> {
    if !is_there("node") || !is_there("npm") {
        println!("skipped: there is no node and npm here");
        return None;
    }
    std::fs::create_dir_all(folder).expect("a folder");
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(Path::new(FOLDER).join(file), folder.join(file)).expect("a copy");
    }
    install("npm ci", Command::new("npm").args(["ci", "--silent"]).current_dir(folder));
    let mut node = Command::new("node");
    node.env("NODE_PATH", folder.join("node_modules"));
    Some(node)
}

/// Sends events through rotations, of which each one has to be believed.
async fn believes(system: &System, receiver: &Running, what: &str) {
    let client = &system.client;
    let url = receiver.url().await;
    let (id, first) = endpoint(client, &url, json!({ "ed25519": true })).await;
    let rotate = async |overlap_ms: u64| {
        let body = json!({ "overlap_ms": overlap_ms });
        let rotated = client.post(&format!("/webhooks/{id}/rotate"), &body).await.expect(200).json();
        rotated["secret"].as_str().expect("a secret").to_owned()
    };
    let send = async |when: &str| {
        let test = client.request(Method::POST, &format!("/webhooks/{id}/test"));
        let sent = client.send(test).await.expect(202).json()["id"].clone();
        let tried =
            delivery(client, &id, when, |delivery| delivery["id"] == sent && delivery["attempts"][0].is_object()).await;
        assert_eq!(tried["status"], "succeeded", "{what}, {when}: {tried:#}");
    };
    receiver.knows(&[&first], &[]);
    send("before a rotation").await;
    let second = rotate(3_600_000).await;
    receiver.knows(&[&first, &second], &[]);
    send("while both secrets sign").await;
    // What tasks tell is signed as tests are.
    let task = client.submit("echo", json!({ "text": "é\u{2028}\"" }), json!({})).await;
    client.wait(&task, "succeeded", SOON).await;
    let received = async || {
        let page = client.get(&format!("/webhooks/{id}/deliveries?status=succeeded")).await.expect(200).json();
        let types: Vec<Value> =
            page["data"].as_array().into_iter().flatten().map(|delivery| delivery["type"].clone()).collect();
        types.contains(&json!("task.succeeded")).then_some(())
    };
    eventually("the events of a task are believed", SOON, received).await;
    let third = rotate(0).await;
    receiver.knows(&[&third], &[&first, &second]);
    send("when the old ones have ended").await;
}

#[tokio::test]
async fn the_package_of_pypi_believes_every_request_through_a_rotation_and_no_changed_byte() {
    let system = system("1").await;
    let Some(python) = python(&system.dir().join("python")) else { return };
    believes(&system, &Running::start(&system, "python", python, "receiver.py"), "PyPI").await;
}

#[tokio::test]
async fn the_package_of_npm_believes_every_request_through_a_rotation_and_no_changed_byte() {
    let system = system("1").await;
    let Some(node) = node(&system.dir().join("node")) else { return };
    believes(&system, &Running::start(&system, "node", node, "receiver.js"), "npm").await;
}
