//! The document is true: what it describes is routed and nothing else is, its examples are accepted, and what comes back is what it says.
//! `bin/contract` holds the server to it at random.

use std::{collections::BTreeSet, time::Duration};

use e2e::{Answer, Client, System};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    described: Value,
}

async fn document(client: &Client) -> Value {
    client.with_key("").get("/openapi.json").await.expect(200).json()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, described) in methods.as_object().expect("methods") {
            let method = method.to_uppercase().parse().expect("a method");
            all.push(Operation { method, path: path.clone(), described: described.clone() });
        }
    }
    all
}

impl Operation {
    /// Its address, with words that are there for the names in its path.
    fn url(&self, client: &Client, id: &str) -> String {
        let word = |segment: &str| match segment {
            "{kind}" => "echo".to_owned(),
            "{action}" => "cancel".to_owned(),
            "{code}" => "invalid".to_owned(),
            "{queue}" | "{group}" => "examples".to_owned(),
            // As the example calls it.
            "{name}" if self.path.contains("/providers/") => "harbour".to_owned(),
            _ if segment.starts_with('{') => id.to_owned(),
            _ => segment.to_owned(),
        };
        format!("{}{}", client.url, self.path.split('/').map(word).collect::<Vec<_>>().join("/"))
    }
}

impl Operation {
    /// Whether it is about what is there: of other sorts than tasks and keys there is none.
    fn is_here(&self) -> bool {
        ["/tasks/{id}", "/keys/{id}"].iter().any(|here| self.path.contains(here))
    }

    /// Whether it needs a parameter in the query.
    fn must_be_asked(&self) -> bool {
        let parameters = self.described["parameters"].as_array();
        parameters.into_iter().flatten().any(|one| one["in"] == "query" && one["required"] == true)
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What a reference leads to.
fn follow<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("a schema"),
        None => schema,
    }
}

/// The bodies that the document gives as examples of a schema.
fn examples(document: &Value, schema: &Value) -> Vec<Value> {
    let schema = follow(document, schema);
    if let Some(examples) = schema["examples"].as_array() {
        return examples.clone();
    }
    match schema["type"].as_str() {
        Some("array") => vec![examples(document, &schema["items"]).into()],
        _ => Vec::new(),
    }
}

/// Checks that an answer is one of those that an operation describes.
fn assert_described(document: &Value, operation: &Operation, answer: &Answer) {
    let status = answer.status.as_str();
    let described = &operation.described["responses"][status];
    assert!(described.is_object(), "{operation} answers {status}: {}", String::from_utf8_lossy(&answer.bytes));
    for name in ["x-request-id", "x-content-type-options"] {
        assert!(answer.header(name).is_some(), "{operation} answers {status} without {name}");
    }
    if answer.bytes.is_empty() {
        return;
    }
    let media_type = answer.header("content-type").expect("a body has a type").split(';').next().expect("a type");
    let content = &described["content"][media_type];
    assert!(content.is_object(), "{operation} answers {status} with {media_type}");
    if !media_type.ends_with("json") {
        return;
    }
    // In the whole document, so that references lead somewhere.
    let schema = json!({ "components": document["components"], "allOf": [content["schema"]] });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let body = answer.json();
    let wrong: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{operation} answers {status} with {body:#}: {wrong:#?}");
}

#[tokio::test]
async fn what_is_described_is_routed_and_no_other_method_is() {
    let system = System::builder().without_scheduler().start().await;
    let document = document(&system.client).await;
    let nobody = format!("task_{}", "0".repeat(32));
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods: BTreeSet<String> =
            methods.as_object().expect("methods").keys().map(|m| m.to_uppercase()).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let operation =
                Operation { method: method.parse().expect("a method"), path: path.clone(), described: Value::Null };
            let answer = system
                .client
                .send(system.client.request(operation.method.clone(), &operation.url(&system.client, &nobody)))
                .await;
            if methods.contains(method) {
                assert_ne!(answer.status.as_u16(), 405, "{operation} is described and not routed");
                let is_nothing = answer.status.as_u16() == 404 && word(&answer) == "not_found";
                assert!(!is_nothing, "{operation} is described and not routed");
                continue;
            }
            assert_eq!(answer.status.as_u16(), 405, "{operation} is routed and not described");
            let allowed: BTreeSet<String> =
                answer.header("allow").expect("Allow").split(',').map(|word| word.trim().to_owned()).collect();
            let also = methods.contains("GET").then(|| "HEAD".to_owned());
            assert_eq!(allowed, methods.iter().cloned().chain(also).collect(), "{operation}");
        }
    }
}

#[tokio::test]
async fn every_example_is_accepted_and_every_answer_is_as_described() {
    let system = System::builder().worker("default=4").env("LONGSHORE_API_RATE_LIMITS", "").start().await;
    let client = &system.client;
    let document = document(client).await;
    let task = client.submit("echo", json!({ "text": "hi", "log_lines": 2 }), json!({})).await;
    client.wait(&task, "succeeded", SOON).await;
    let mut bodies = 0;
    for operation in operations(&document) {
        // The client follows where the root leads.
        if operation.path == "/" {
            continue;
        }
        let is_key = operation.path.contains("/keys/{id}");
        let id = if is_key { new_key(client).await } else { task.clone() };
        let url = operation.url(client, &id);
        let schema = &operation.described["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            // What removes something comes last, and a plain request opens no socket.
            if operation.method != Method::DELETE && !operation.path.ends_with("/ws") {
                let answer = client.send(client.request(operation.method.clone(), &url)).await;
                // Some questions have to be said; some things cannot be done now.
                let is_named = operation.is_here() && !operation.path.ends_with("/{name}");
                let expected = match answer.status.as_u16() {
                    404 => operation.path.contains('{') && !is_named,
                    422 => operation.must_be_asked(),
                    status => status < 400 || status == 409,
                };
                assert!(expected, "{operation}: {} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
                assert_described(&document, &operation, &answer);
            }
            continue;
        }
        let examples = examples(&document, schema);
        assert!(!examples.is_empty(), "{operation}: the document shows no body");
        for body in examples {
            let answer = client.send(client.request(operation.method.clone(), &url).json(&body)).await;
            let is_elsewhere = answer.status.as_u16() == 404 && operation.path.contains("{id}") && !operation.is_here();
            assert!(
                answer.status.is_success() || is_elsewhere,
                "{operation} refuses {body}: {}",
                String::from_utf8_lossy(&answer.bytes)
            );
            assert_described(&document, &operation, &answer);
            bodies += 1;
        }
    }
    assert!(bodies >= 10, "{bodies}");
    let removal = Operation {
        method: Method::DELETE,
        path: "/api/v1/tasks/{id}".to_owned(),
        described: document["paths"]["/api/v1/tasks/{id}"]["delete"].clone(),
    };
    let answer = client.send(client.request(Method::DELETE, &removal.url(client, &task))).await;
    assert_eq!(answer.status.as_u16(), 204);
    assert_described(&document, &removal, &answer);
}

/// The word for what is wrong, of either sort of error.
fn word(answer: &Answer) -> String {
    let body = answer.json();
    body["code"].as_str().or(body["error"].as_str()).unwrap_or_default().to_owned()
}

/// A key that may be ended.
async fn new_key(client: &Client) -> String {
    let made = client.post("/keys", &json!({ "name": "example", "scopes": ["tasks:read"] })).await.expect(201);
    made.json()["key"]["id"].as_str().expect("an id").to_owned()
}
