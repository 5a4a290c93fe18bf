//! What a key opens, and for how long.

use std::time::{Duration, Instant};

use e2e::{ADMIN_KEY, Client, System, eventually};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{OF_A_PROJECT, SOON, make_key, operations, second_api};

/// A revoked key must open nothing after this, whatever was lost.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Whether this client's key opens something.
async fn opens(client: &Client) -> bool {
    match client.get("/kinds").await.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// How long it takes until a key opens nothing any more.
async fn until_closed(client: &Client) -> Duration {
    let began = Instant::now();
    eventually("the key opens nothing", SOON, async || (!opens(client).await).then_some(())).await;
    began.elapsed()
}

#[tokio::test]
async fn without_a_key_there_is_nothing_but_what_everybody_may_know() {
    let system = System::builder().without_scheduler().start().await;
    let stranger = system.client.with_key("");
    let (_, operations) = operations(&system.client).await;
    let mut open = Vec::new();
    for operation in &operations {
        let path = operation.path_with("task_00000000000000000000000000000000");
        let answer = stranger.send(stranger.request(operation.method.clone(), &path)).await;
        if operation.scopes().is_none() {
            assert_ne!(answer.status.as_u16(), 401, "{operation}");
            open.push(operation.path.as_str());
            continue;
        }
        let answer = answer.expect(401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"longshore\""), "{operation}");
        let body = answer.json();
        let word = if operation.path.starts_with("/videos/") { &body["error"] } else { &body["code"] };
        assert_eq!(word, "unauthorized", "{operation}");
    }
    open.sort_unstable();
    open.dedup();
    let everybodys = ["/docs", "/health", "/openapi.json", "/ping", "/problems", "/problems/{code}", "/ready"];
    assert_eq!(open, everybodys);
    // What is not there, and what cannot be done, is no stranger's business either.
    for (method, path) in [("GET", "/nothing"), ("GET", "/tasks/x/y/z"), ("PATCH", "/tasks"), ("DELETE", "/queues")] {
        stranger.send(stranger.request(method.parse().expect("a method"), path)).await.expect(401);
    }
    // A key that opens nothing does not close what is open.
    system.client.with_key("no-key").get("/health").await.expect(200);
}

#[tokio::test]
async fn a_key_comes_in_one_of_two_headers_and_never_in_the_address() {
    let system = System::builder().without_scheduler().start().await;
    let stranger = system.client.with_key("");
    let ask = async |headers: &[(&str, &str)], path: &str| {
        let request = headers
            .iter()
            .fold(stranger.request(Method::GET, path), |request, (name, value)| request.header(*name, *value));
        stranger.send(request).await
    };
    let bearer = format!("Bearer {ADMIN_KEY}");
    ask(&[("x-api-key", ADMIN_KEY)], "/kinds").await.expect(200);
    ask(&[("authorization", &bearer)], "/kinds").await.expect(200);
    ask(&[("authorization", &bearer), ("x-api-key", ADMIN_KEY)], "/kinds").await.expect(200);
    let two = ask(&[("authorization", &bearer), ("x-api-key", "another")], "/kinds").await.expect(400);
    assert_eq!(two.code(), "invalid_header");
    for wrong in ["Bearer nonsense", "Basic bm9ib2R5OmhlcmU=", "Bearer", "nonsense"] {
        let answer = ask(&[("authorization", wrong)], "/kinds").await.expect(401);
        let challenge = "Bearer realm=\"longshore\", error=\"invalid_token\"";
        assert_eq!((answer.header("www-authenticate"), answer.code().as_str()), (Some(challenge), "unauthorized"));
    }
    ask(&[], &format!("/kinds?api_key={ADMIN_KEY}")).await.expect(401);
    ask(&[], &format!("/kinds?access_token={ADMIN_KEY}")).await.expect(401);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_the_answer_names_the_one_that_it_lacks() {
    let system = System::builder().without_scheduler().start().await;
    let (_, operations) = operations(&system.client).await;
    let all: Vec<&str> = OF_A_PROJECT.into_iter().chain(["operator"]).collect();
    for lacking in &all {
        let scopes: Vec<&str> = all.iter().copied().filter(|scope| scope != lacking).collect();
        let (_, key) = make_key(&system.client, json!({ "name": "x", "scopes": scopes })).await;
        let client = system.client.with_key(&key);
        for operation in &operations {
            let needs = operation.scopes().is_some_and(|scopes| scopes.contains(lacking));
            let path = operation.path_with("default");
            let answer = client.send(client.request(operation.method.clone(), &path)).await;
            assert_eq!(answer.status.as_u16() == 403, needs, "{operation} without {lacking}: {}", answer.status);
            if needs {
                let challenge =
                    format!("Bearer realm=\"longshore\", error=\"insufficient_scope\", scope=\"{lacking}\"");
                assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{operation}");
                assert!(String::from_utf8_lossy(&answer.bytes).contains(lacking), "{operation}");
            }
        }
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_on_any_server_within_five_seconds() {
    let system = System::builder().without_scheduler().start().await;
    let (_api, second) = second_api(&system).await;
    let (id, key) = make_key(&system.client, json!({ "name": "told", "scopes": ["tasks:read"] })).await;
    let everywhere = [system.client.with_key(&key), second.with_key(&key)];
    for client in &everywhere {
        assert!(opens(client).await);
    }
    let revoked = system.client.post(&format!("/keys/{id}/revoke"), &json!({})).await.expect(200).json();
    assert_eq!(revoked["status"], "revoked");
    let took = join_all(everywhere.iter().map(until_closed)).await;
    println!("a revoked key closed after {took:?}");
    assert!(took.iter().all(|took| *took <= REVOKED_WITHIN), "{took:?}");
    let again = system.client.post(&format!("/keys/{id}/revoke"), &json!({})).await.expect(200).json();
    assert_eq!(again["revoked_at"], revoked["revoked_at"]);

    // Nobody is told of this one.
    let (_, key) = make_key(&system.client, json!({ "name": "untold", "scopes": ["tasks:read"] })).await;
    let everywhere = [system.client.with_key(&key), second.with_key(&key)];
    for client in &everywhere {
        assert!(opens(client).await);
    }
    system.database.execute("UPDATE api_keys SET revoked_at = now() WHERE name = 'untold'").await;
    let took = join_all(everywhere.iter().map(until_closed)).await;
    println!("a key that was revoked in silence closed after {took:?}");
    assert!(took.iter().all(|took| *took <= REVOKED_WITHIN), "{took:?}");
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over_and_a_rotated_one_after_its_grace() {
    let mut system = System::builder().without_scheduler().start().await;
    let body = json!({ "name": "short", "scopes": ["tasks:read"], "expires_in_ms": 2_000 });
    let made = Instant::now();
    let (id, short) = make_key(&system.client, body).await;
    assert!(opens(&system.client.with_key(&short)).await);
    until_closed(&system.client.with_key(&short)).await;
    assert!(made.elapsed() >= Duration::from_secs(2), "closed too soon: {:?}", made.elapsed());
    let answer = system.client.with_key(&short).get("/kinds").await.expect(401).json();
    assert_eq!(answer["detail"], "the key has expired");
    let ended = system.client.post(&format!("/keys/{id}/rotate"), &json!({})).await.expect(409);
    assert_eq!(ended.code(), "key_ended");

    let (id, old) = make_key(&system.client, json!({ "name": "rotated", "scopes": ["tasks:read"] })).await;
    let rotated = system.client.post(&format!("/keys/{id}/rotate"), &json!({ "grace_ms": 3_000 })).await.expect(201);
    let rotated = rotated.json();
    let new = system.client.with_key(rotated["secret"].as_str().expect("a secret"));
    assert_eq!((&rotated["key"]["rotated_from"], &rotated["key"]["name"]), (&json!(id), &json!("rotated")));
    assert_eq!((&rotated["key"]["expires_at"], &rotated["key"]["scopes"]), (&Value::Null, &json!(["tasks:read"])));
    assert!(opens(&new).await && opens(&system.client.with_key(&old)).await, "both open for a while");
    until_closed(&system.client.with_key(&old)).await;
    system.client.post(&format!("/keys/{id}/rotate"), &json!({})).await.expect(409);

    // What holds holds for every process, also the next one.
    system.api = None;
    system.restart_api().await;
    assert!(opens(&new).await && !opens(&system.client.with_key(&old)).await);
}

#[tokio::test]
async fn a_key_gives_nothing_that_it_has_not_and_the_last_operator_stays() {
    let system = System::builder().without_scheduler().start().await;
    let keys = async |client: &Client| client.get("/keys").await.expect(200).json()["data"].clone();
    let (operator, _) = make_key(&system.client, json!({ "name": "operator", "scopes": ["operator", "admin"] })).await;
    let (_, key) = make_key(&system.client, json!({ "name": "admin", "scopes": ["admin", "tasks:read"] })).await;
    let admin = system.client.with_key(&key);

    for scopes in [json!(["operator"]), json!(["tasks:read", "tasks:write"])] {
        let refused = admin.post("/keys", &json!({ "name": "more", "scopes": scopes })).await.expect(403);
        assert_eq!(refused.code(), "insufficient_scope");
    }
    for act in ["rotate", "revoke"] {
        admin.post(&format!("/keys/{operator}/{act}"), &json!({})).await.expect(403);
    }
    let (id, less) = make_key(&admin, json!({ "name": "less", "scopes": ["tasks:read"] })).await;
    let row = keys(&admin).await[0].clone();
    assert_eq!((&row["id"], &row["name"], &row["status"]), (&json!(id), &json!("less"), &json!("active")));
    assert!(row["created_by"].as_str().is_some_and(|by| by.starts_with("key_")) && row.get("secret").is_none());
    assert!(less.starts_with(row["prefix"].as_str().expect("a prefix")));

    let last = system.client.post(&format!("/keys/{operator}/revoke"), &json!({})).await.expect(409);
    assert_eq!(last.code(), "last_operator_key");
    make_key(&system.client, json!({ "name": "another", "scopes": ["operator"] })).await;
    system.client.post(&format!("/keys/{operator}/revoke"), &json!({})).await.expect(200);

    let wrong = json!({ "name": "", "scopes": [], "expires_in_ms": 1, "colour": "red" });
    let wrong = system.client.post("/keys", &wrong).await.expect(422);
    assert_eq!(wrong.pointers(), ["/colour", "/expires_in_ms", "/name", "/scopes"]);
    for project in ["proj_00000000000000000000000000000000", "proj_01900000000070008000000000000009"] {
        let body = json!({ "name": "x", "scopes": ["admin"], "project": project });
        assert_eq!(system.client.post("/keys", &body).await.expect(404).code(), "project_not_found");
        admin.post("/keys", &body).await.expect(403);
    }
    let taken = system.client.post("/projects", &json!({ "name": "default" })).await.expect(409);
    assert_eq!(taken.code(), "project_exists");
}

#[tokio::test]
async fn a_request_with_a_known_key_reads_no_row_of_keys_and_its_use_is_noted() {
    let system = System::builder().without_scheduler().start().await;
    let (id, key) = make_key(&system.client, json!({ "name": "busy", "scopes": ["tasks:read"] })).await;
    let client = system.client.with_key(&key);
    assert!(opens(&client).await);
    // Who looks for a row now finds no table.
    system.database.execute("ALTER TABLE api_keys RENAME TO hidden").await;
    let began = Instant::now();
    for _ in 0..500 {
        assert!(opens(&client).await);
    }
    println!("500 requests in {:?}, all without a look at a key", began.elapsed());
    system.database.execute("ALTER TABLE hidden RENAME TO api_keys").await;
    let used = eventually("its use is noted", SOON, async || {
        let row = system.client.get(&format!("/keys/{id}")).await.expect(200).json();
        row["last_used_at"].as_str().map(str::to_owned)
    })
    .await;
    assert!(used.ends_with('Z'), "{used}");
}

#[tokio::test]
async fn a_secret_is_in_no_log_and_in_no_error() {
    let system = System::builder().env("LONGSHORE_LOG_LEVEL", "trace").without_scheduler().start().await;
    let (_, key) = make_key(&system.client, json!({ "name": "canary", "scopes": ["tasks:read"] })).await;
    let secret = &key[41..];
    let client = system.client.with_key(&key);
    assert!(opens(&client).await);
    let mut answers = vec![
        client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await.expect(403),
        client.with_key(&format!("{key}x")).get("/kinds").await.expect(401),
        client.with_key(&key.replace("ls_live_", "ls_test_")).get("/kinds").await.expect(401),
        system.client.send(system.client.request(Method::GET, "/kinds").header("x-api-key", &key)).await.expect(400),
    ];
    system.database.execute("UPDATE api_keys SET revoked_at = now()").await;
    until_closed(&client).await;
    answers.push(client.get("/kinds").await.expect(401));
    for answer in &answers {
        let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.bytes));
        assert!(!text.contains(secret), "{text}");
    }
    let rows: String = sqlx::query_scalar("SELECT string_agg(k::text, ' ') FROM api_keys k")
        .fetch_one(&system.database.pool)
        .await
        .expect("the rows");
    let log = system.api.as_ref().expect("an API").log();
    assert!(log.contains(r#""level":"TRACE""#), "the log says all that there is");
    for secret in [secret, &secret[..20], ADMIN_KEY, e2e::SECRET_KEY] {
        assert!(!log.contains(secret), "the log has {secret}");
        assert!(!rows.contains(secret), "a row has {secret}");
    }
}
