//! The first key of an installation, and what it takes to start without one.

use std::process::{Command, Output};

use e2e::{Client, Process, System, eventually};
use serde_json::json;

use crate::{SOON, make_key};

/// A command in the environment of a system that declares no key and has no secret yet.
fn bare(system: &System, arguments: &[&str]) -> Command {
    let mut command = system.command(arguments);
    for name in ["LONGSHORE_ADMIN_KEY", "LONGSHORE_SECRET_KEY", "LONGSHORE_API_KEY", "LONGSHORE_URL"] {
        command.env_remove(name);
    }
    command
}

fn output(mut command: Command) -> (bool, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("a command");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    (status.success(), text(stdout), text(stderr))
}

/// The banner of a running `longshore up`.
async fn banner(up: &Process) -> String {
    eventually("it is up", SOON, async || Some(up.log()).filter(|log| log.contains("Stop     Ctrl-C"))).await
}

fn address(banner: &str) -> String {
    let (_, rest) = banner.split_once("Longshore is up: ").expect("a banner");
    rest.split_whitespace().next().expect("an address").to_owned()
}

#[tokio::test]
async fn up_makes_the_first_key_once_and_its_user_needs_no_other() {
    let system = System::builder().without_api().without_scheduler().start().await;
    let up = || {
        let command = bare(&system, &["up", "--bind", "127.0.0.1:0", "--workers", "0"]);
        Process::spawn("up", command, system.dir().join("up.log"))
    };
    let mut first = up();
    let said = banner(&first).await;
    let key = said.split_whitespace().find(|word| word.starts_with("ls_live_")).expect("the key").to_owned();
    let url = address(&said);
    let client = Client::new(url.clone()).with_key(&key);
    client.get("/queues").await.expect(200);
    Client::new(url.clone()).with_key("").get("/queues").await.expect(401);
    for file in ["api.key", "secret.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(system.dir().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    // Whoever started it uses it without another word; no other server gets to see the key.
    let list = |url: &str| {
        let mut command = bare(&system, &["list", "--json"]);
        command.env("LONGSHORE_URL", url);
        output(command)
    };
    assert!(list(&url).0, "{:?}", list(&url));
    first.sigterm();
    first.exit_code(SOON).await;

    let mut second = up();
    let said = banner(&second).await;
    assert!(!said.contains("ls_live_") && said.contains("longshore keys create"), "{said}");
    let url = address(&said);
    assert!(list(&url).0, "the key of before opens the server of now");
    second.sigterm();
    second.exit_code(SOON).await;
}

#[tokio::test]
async fn a_server_that_asks_for_keys_needs_a_secret_and_one_that_asks_for_none_a_loopback_address() {
    let system = System::builder().without_api().without_scheduler().start().await;
    let (ok, _, said) = output(bare(&system, &["api", "--bind", "127.0.0.1:0"]));
    assert!(!ok && said.contains("LONGSHORE_SECRET_KEY") && said.contains("openssl rand -hex 32"), "{said}");
    for role in ["api", "up"] {
        let (ok, _, said) = output(bare(&system, &[role, "--no-auth", "--bind", "0.0.0.0:0"]));
        assert!(!ok && said.contains("loopback"), "{role}: {said}");
    }
    let (ok, _, said) = output({
        let mut command = bare(&system, &["api", "--bind", "127.0.0.1:0"]);
        command.env("LONGSHORE_SECRET_KEY", "short");
        command
    });
    assert!(!ok && said.contains("LONGSHORE_SECRET_KEY") && said.contains("32"), "{said}");
}

#[tokio::test]
async fn without_authentication_everybody_on_the_machine_may_do_everything() {
    let system = System::builder().env("LONGSHORE_NO_AUTH", "true").without_scheduler().start().await;
    let anybody = system.client.with_key("");
    for path in ["/queues", "/tasks", "/keys", "/projects"] {
        anybody.get(path).await.expect(200);
    }
    anybody.submit("echo", json!({}), json!({})).await;
}

#[tokio::test]
async fn keys_and_projects_are_made_on_the_command_line_and_without_a_server() {
    let system = System::builder().without_scheduler().start().await;
    let (ok, key, said) = output(system.command(&["keys", "create", "rescue", "--all", "--direct"]));
    assert!(ok && key.starts_with("ls_live_") && !key.contains(' '), "{key} {said}");
    let rescue = system.client.with_key(&key);
    rescue.get("/projects").await.expect(200);

    let (ok, projects, said) = output(system.command(&["projects", "create", "shop", "--json"]));
    let project: serde_json::Value = serde_json::from_str(&projects).unwrap_or_else(|_| panic!("{ok} {said}"));
    let project = project["id"].as_str().expect("an id");
    let (ok, key, said) = output(system.command(&["keys", "create", "shop", "--all", "--project", project]));
    assert!(ok, "{said}");
    let shop = system.client.with_key(&key);
    shop.get("/keys").await.expect(200);
    shop.get("/projects").await.expect(403);

    let (id, key) = make_key(&rescue, json!({ "name": "ci", "scopes": ["tasks:read"] })).await;
    let (ok, new, said) = output(system.command(&["keys", "rotate", &id, "--grace", "0s"]));
    assert!(ok && new.starts_with("ls_live_"), "{said}");
    eventually("the old one is closed", SOON, async || {
        (rescue.with_key(&key).get("/kinds").await.status == 401).then_some(())
    })
    .await;
    let (ok, list, _) = output(system.command(&["keys", "list"]));
    assert!(ok && list.contains("rescue") && list.contains("expired") && !list.contains("ls_live_"), "{list}");
    let (_, listed, _) = output(system.command(&["keys", "list", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let new = listed["data"].as_array().and_then(|keys| keys.iter().find(|key| key["rotated_from"] == id.as_str()));
    let new = new.expect("the new key")["id"].as_str().expect("an id");
    assert!(output(system.command(&["keys", "revoke", new])).0);
}
