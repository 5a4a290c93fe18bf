//! Two projects see nothing of each other: every operation that the server describes, with every id of the other project in every place
//! that takes a word, answers byte for byte as it does for an id that nobody has.

use std::collections::BTreeSet;

use e2e::{Answer, Client, System};
use futures::{StreamExt as _, stream};
use jobs_core::DeliveryId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Operation, SOON, new_project, operations};

/// So many requests at once.
const AT_ONCE: usize = 16;

/// A word of the other project, and one of its sort that nobody ever used.
struct Words {
    theirs: String,
    nobodys: String,
}

/// One request, without the word that it is about.
struct Probe {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Probe {
    const WORD: &str = "~word~";

    /// The request with a word in its place.
    async fn ask(&self, client: &Client, word: &str) -> Answer {
        let request = client.request(self.method.clone(), &self.path.replace(Self::WORD, word));
        let request = match &self.body {
            Some(body) => {
                let body = body.to_string().replace(Self::WORD, word);
                request.header("content-type", "application/json").body(body)
            }
            None => request,
        };
        client.send(request).await
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        write!(f, "{} {} {body}", self.method, self.path)
    }
}

/// Every request that an operation can be asked with a word: in its path, in each parameter, in each member of its body.
fn probes(document: &Value, operation: &Operation) -> Vec<Probe> {
    let (method, body) = (&operation.method, example(document, operation));
    let probe = |path: String, body: Option<Value>| Probe { method: method.clone(), path, body };
    let mut probes = Vec::new();
    if operation.path.contains('{') {
        probes.push(probe(operation.path_with(Probe::WORD), body.clone()));
    }
    // What the rest of the path says is right, so that it is the parameter that decides.
    let path = operation.path_with("default");
    for parameter in operation.described["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "query" {
            let name = parameter["name"].as_str().expect("a name");
            probes.push(probe(format!("{path}?{name}={}", Probe::WORD), body.clone()));
        }
    }
    for (name, schema) in properties(document, operation) {
        let Some(mut body) = body.clone().filter(Value::is_object) else { continue };
        let is_list =
            schema["type"] == "array" || schema["type"].as_array().is_some_and(|types| types.contains(&json!("array")));
        body[&name] = if is_list { json!([Probe::WORD]) } else { json!(Probe::WORD) };
        probes.push(probe(path.clone(), Some(body)));
    }
    probes
}

/// The schema of an operation's body, behind its references.
fn schema<'a>(document: &'a Value, operation: &'a Operation) -> Option<&'a Value> {
    let schema = &operation.described["requestBody"]["content"]["application/json"]["schema"];
    let follow = |schema: &'a Value| match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')),
        None => Some(schema).filter(|schema| !schema.is_null()),
    };
    let schema = follow(schema)?;
    // Of several forms they differ in the input alone.
    if schema["oneOf"].is_array() { follow(&schema["oneOf"][0]) } else { Some(schema) }
}

/// A body that the operation takes; an empty object when nothing says one.
fn example(document: &Value, operation: &Operation) -> Option<Value> {
    let schema = schema(document, operation)?;
    // What is set limits nothing: which of two probes came first must not show.
    if operation.method == Method::PUT {
        return Some(json!({}));
    }
    Some(schema["examples"].get(0).cloned().unwrap_or_else(|| json!({})))
}

fn properties(document: &Value, operation: &Operation) -> Vec<(String, Value)> {
    let members = schema(document, operation).and_then(|schema| schema["properties"].as_object());
    members.into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

/// An answer as text, without what is different in every answer: the word, new ids, times.
fn normal(answer: &Answer, word: &str) -> String {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut lines: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
    lines.sort();
    let body = match serde_json::from_slice::<Value>(&answer.bytes) {
        Ok(mut body) => {
            forget(&mut body);
            body.to_string()
        }
        Err(_) => String::from_utf8_lossy(&answer.bytes).into_owned(),
    };
    // The word of nobody is as long as that of the other project, so that lengths are compared, too.
    let text = format!("{}\n{}\n{body}", answer.status, lines.join("\n")).replace(word, "WORD");
    without_ids(&text)
}

/// Takes away what is new in every answer.
fn forget(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| {
                !["request_id", "timestamp", "secret", "prefix", "metrics"].contains(&name.as_str())
                    && !name.ends_with("_at")
            });
            members.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

/// The text with one word in the place of every id in it.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["task_", "key_", "proj_", "sched_", "wrk_", "whk_", "msg_", "dlv_"]
        .iter()
        .filter_map(|prefix| rest.find(prefix).map(|at| at + prefix.len()))
        .min()
    {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let digits = tail.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(if digits == 32 { "ID" } else { &tail[..digits] });
        rest = &tail[digits..];
    }
    out + rest
}

/// All words of a project that somebody else could try: of each sort of thing that it has, in each state that matters.
async fn words_of(client: &Client, system: &System) -> Vec<Words> {
    let waiting =
        client.submit("echo", json!({}), json!({ "delay_ms": 3_600_000, "group": "harbour", "tags": ["quay"] })).await;
    let ended = client.submit("echo", json!({ "text": "x" }), json!({ "group": "harbour" })).await;
    client.wait(&ended, "succeeded", SOON).await;
    let briefing = json!({ "title": "A quay", "description": "Ships come. Ships go.", "duration": 15, "style": "minimal", "tone": "calm" });
    let video = client.post("/videos/generate", &briefing).await.expect(202).json()["task_id"].clone();
    let uuid = |id: &str| id.split_once('_').expect("a prefix").1.to_owned();
    // A file that the ended task left.
    let sql = format!(
        "INSERT INTO artifacts (task_id, epoch, name, content_type, size_bytes, sha256)
        SELECT id, epoch, 'quay.txt', 'text/plain', 0, 'x' FROM tasks WHERE id = '{}'",
        uuid(&ended)
    );
    system.database.execute(&sql).await;
    let body = json!({ "name": "tide", "cron": "@daily", "task": { "kind": "echo", "input": {} }, "managed_by": "file:harbour.toml" });
    let schedule = client.post("/schedules", &body).await.expect(201).json();
    let run = client.send(client.request(Method::POST, schedule["urls"]["run"].as_str().expect("an address"))).await;
    let made = run.expect(202).json()["task_id"].as_str().expect("an id").to_owned();
    client.wait(&made, "succeeded", SOON).await;
    let keys = client.get("/keys").await.expect(200).json();
    let key = &keys["data"][0];
    // Made in the same moment: ids are also places in time.
    let unknown = |known: &str| {
        let (head, last) = known.split_at(known.len() - 1);
        format!("{head}{}", if last == "0" { "1" } else { "0" })
    };
    let id = |id: &Value| {
        let id = id.as_str().expect("an id");
        Words { theirs: id.to_owned(), nobodys: unknown(id) }
    };
    let word = |theirs: &str, nobodys: &str| Words { theirs: theirs.to_owned(), nobodys: nobodys.to_owned() };
    // An endpoint, and what it was told.
    let hook = json!({ "url": "https://example.com/hook", "events": ["task.*"], "enabled": false });
    let hook = client.post("/webhooks", &hook).await.expect(201).json()["webhook"]["id"].clone();
    let delivery = DeliveryId::new().to_string();
    let sql = format!(
        "WITH message AS (
            INSERT INTO webhook_messages (id, project, type, at, body)
            SELECT gen_random_uuid(), project, 'task.queued', now(), '{{}}' FROM webhooks WHERE id = '{0}' RETURNING id, project
        )
        INSERT INTO webhook_deliveries (id, lane, message, project, webhook, status, ended_at)
        SELECT '{1}', '{0}', id, project, '{0}', 'failed', now() FROM message",
        uuid(hook.as_str().expect("an id")),
        uuid(&delivery)
    );
    system.database.execute(&sql).await;
    vec![
        id(&hook),
        id(&json!(delivery)),
        id(&json!(waiting)),
        id(&json!(ended)),
        id(&video),
        id(&key["id"]),
        id(&key["project"]),
        id(&schedule["id"]),
        word("tide", "moon"),
        // A cursor is made of an id.
        Words { theirs: format!("c1{}", uuid(&ended)), nobodys: unknown(&format!("c1{}", uuid(&ended))) },
        word("harbour", "hairdos"),
        word("quay", "quid"),
        word("quay.txt", "quid.txt"),
    ]
}

/// The requests whose answers tell the two words apart.
async fn told_apart(client: &Client, probes: &[Probe], words: &[Words]) -> BTreeSet<String> {
    let pairs = probes.iter().flat_map(|probe| words.iter().map(move |words| (probe, words)));
    let told = stream::iter(pairs).map(async |(probe, words)| {
        let theirs = normal(&probe.ask(client, &words.theirs).await, &words.theirs);
        let nobodys = normal(&probe.ask(client, &words.nobodys).await, &words.nobodys);
        (theirs != nobodys)
            .then(|| format!("{probe} with {}:\n{theirs}\nbut with {}:\n{nobodys}\n", words.theirs, words.nobodys))
    });
    told.buffer_unordered(AT_ONCE).filter_map(async |told| told).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_project_has_is_answered_as_what_nobody_has() {
    // What is left of a limit differs from one request to the next.
    let system = System::builder().env("LONGSHORE_API_RATE_LIMITS", "").worker("default=4").start().await;
    let owner = new_project(&system, "owner").await;
    let stranger = new_project(&system, "stranger").await;
    let words = words_of(&owner, &system).await;
    let (document, operations) = operations(&system.client).await;
    let probes: Vec<Probe> = operations.iter().flat_map(|operation| probes(&document, operation)).collect();
    println!("{} operations, {} places for a word, {} words", operations.len(), probes.len(), words.len());
    assert!(probes.len() > operations.len(), "{}", probes.len());

    let told = told_apart(&stranger, &probes, &words).await;
    assert!(
        told.is_empty(),
        "{} answers tell of the other project:\n{}",
        told.len(),
        told.into_iter().collect::<Vec<_>>().join("\n")
    );

    // With two of these words one schedule would be made twice, so the walk does not know them.
    for client in [&stranger, &owner] {
        let kept = async |by: &str| {
            client.get(&format!("/schedules?managed_by=file:{by}.toml")).await.expect(200).json()["data"].clone()
        };
        let is_told = kept("harbour").await != kept("hairdos").await;
        assert_eq!(is_told, client.key == owner.key);
    }

    // The same walk tells them apart for their owner: it looks at the right things. Of what changes something only one is asked, for
    // the walk would also revoke the key that it walks with.
    let is_tame = |probe: &Probe| probe.method == Method::GET || probe.path.ends_with("/cancel");
    let probes: Vec<Probe> = probes.into_iter().filter(is_tame).collect();
    let told = told_apart(&owner, &probes, &words).await;
    for wanted in [
        "GET /tasks/~word~ ",
        "GET /tasks/~word~/events",
        "POST /tasks/~word~/cancel",
        "GET /keys/~word~",
        "GET /videos/status/~word~",
        "GET /tasks?group=",
        "GET /tasks?schedule_id=",
        "GET /schedules/~word~ ",
        "GET /schedules/~word~/runs",
        "GET /schedules?name=",
        "GET /webhooks/~word~ ",
        "GET /webhooks/~word~/deliveries",
        "GET /webhooks/~word~/stats",
    ] {
        assert!(told.iter().any(|told| told.starts_with(wanted)), "{wanted} makes no difference for the owner");
    }
}

#[tokio::test]
async fn one_idempotency_key_in_two_projects_is_two_tasks_and_groups_have_their_own_limits() {
    let system = System::builder().worker("default=4").start().await;
    let (one, two) = (new_project(&system, "one").await, new_project(&system, "two").await);
    let submit = async |client: &Client| {
        let body = json!({ "kind": "echo", "input": {}, "group": "shared" });
        let request = client.request(Method::POST, "/tasks").header("idempotency-key", "same").json(&body);
        let answer = client.send(request).await.expect(202);
        (answer.json()["id"].as_str().expect("an id").to_owned(), answer.header("idempotency-replayed").is_some())
    };
    // One of them holds up its own group alone.
    one.send(one.request(Method::PUT, "/queues/default/groups/shared").json(&json!({ "paused": true })))
        .await
        .expect(200);
    let (first, second, again) = (submit(&one).await, submit(&two).await, submit(&two).await);
    assert_ne!(first.0, second.0);
    assert_eq!((first.1, second.1, again), (false, false, (second.0.clone(), true)));
    two.wait(&second.0, "succeeded", SOON).await;
    assert_eq!(one.task(&first.0).await["status"], "queued");
    let group = two.get("/queues/default/groups/shared").await.expect(200).json();
    assert_eq!((&group["settings"], &group["name"], &group["queued"]), (&json!({}), &json!("shared"), &json!(0)));
    let listed = async |client: &Client| client.get("/tasks").await.expect(200).json()["data"].as_array().map(Vec::len);
    assert_eq!((listed(&one).await, listed(&two).await), (Some(1), Some(1)));

    one.send(one.request(Method::DELETE, "/queues/default/groups/shared")).await.expect(200);
    one.wait(&first.0, "succeeded", SOON).await;
    system.holds(&[first.0, second.0]).await;
}
