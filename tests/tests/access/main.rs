//! Who may do what: keys and their scopes, and projects that see nothing of each other.

mod isolation;
mod keys;
mod limits;
mod up;

use std::time::Duration;

use e2e::{Client, Process, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// The bound for what takes milliseconds when the machine is idle.
const SOON: Duration = Duration::from_secs(20);

/// Everything that a key of a project can be given.
const OF_A_PROJECT: [&str; 5] = ["tasks:read", "tasks:write", "schedules", "webhooks", "admin"];

/// An operation of the served document.
struct Operation {
    method: Method,
    path: String,
    described: Value,
}

/// Every operation that the server describes.
async fn operations(client: &Client) -> (Value, Vec<Operation>) {
    let document = client.with_key("").get("/openapi.json").await.expect(200).json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, described) in methods.as_object().expect("methods") {
            let method = method.to_uppercase().parse().expect("a method");
            // All lies there, but for the way to it.
            let Some(path) = path.strip_prefix("/api/v1") else { continue };
            operations.push(Operation { method, path: path.to_owned(), described: described.clone() });
        }
    }
    assert!(operations.len() > 20, "{}", operations.len());
    (document, operations)
}

impl Operation {
    /// The scopes that it needs; `None` when it can be asked without a key.
    fn scopes(&self) -> Option<Vec<&str>> {
        let choices = self.described["security"].as_array().unwrap_or_else(|| panic!("{self}: no word about keys"));
        // One that takes another proof as well asks for a key where it finds none.
        let keys: Vec<_> = choices.iter().filter_map(|choice| choice["key"].as_array()).collect();
        (!keys.is_empty()).then(|| keys.into_iter().flatten().filter_map(Value::as_str).collect())
    }

    /// Its path with the same word for every name in it.
    fn path_with(&self, word: &str) -> String {
        let segments = self.path.split('/').map(|segment| if segment.starts_with('{') { word } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A key of its own for a test; gives its id and its secret.
async fn make_key(client: &Client, body: Value) -> (String, String) {
    let made = client.post("/keys", &body).await.expect(201).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

/// A client with a key of its own for a new project.
async fn new_project(system: &System, name: &str) -> Client {
    let project = system.client.post("/projects", &json!({ "name": name })).await.expect(201).json();
    let body = json!({ "name": name, "scopes": OF_A_PROJECT, "project": project["id"] });
    system.client.with_key(&make_key(&system.client, body).await.1)
}

/// Another API process of the same system.
async fn second_api(system: &System) -> (Process, Client) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let bind = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let api = Process::spawn("api-2", system.command(&["api", "--bind", &bind]), system.dir().join("api-2.log"));
    let client = Client::new(format!("http://{bind}"));
    eventually("the second API is ready", SOON, async || {
        let ready = client.try_send(client.request(Method::GET, "/ready")).await;
        ready.is_ok_and(|ready| ready.status.is_success()).then_some(())
    })
    .await;
    (api, client)
}
