//! Webhooks: who is told of what, in which order, how often, and what is refused.

mod crashes;
mod endpoints;
mod events;
mod law;
mod packages;
mod refusals;

use std::time::Duration;

use e2e::{Client, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// The bound for what takes milliseconds when the machine is idle.
const SOON: Duration = Duration::from_secs(20);

/// A system whose webhooks reach this machine, and with time passing so many times faster between attempts.
async fn system(pace: &str) -> System {
    let builder = System::builder().worker("default=4").env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    builder.env("LONGSHORE_WEBHOOKS_PACE", pace).start().await
}

/// An endpoint, with `more` than its address; gives its id and its secret.
async fn endpoint(client: &Client, url: &str, more: Value) -> (String, String) {
    let mut body = json!({ "url": url, "events": ["*"] });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let made = client.post("/webhooks", &body).await.expect(201).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

async fn echo(client: &Client, options: Value) -> String {
    client.submit("echo", json!({ "text": "x" }), options).await
}

async fn change(client: &Client, webhook: &str, change: Value) -> Value {
    let request = client.request(Method::PATCH, &format!("/webhooks/{webhook}")).json(&change);
    client.send(request).await.expect(200).json()
}

/// The newest delivery of a webhook, once it looks as wanted.
async fn delivery(client: &Client, webhook: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, SOON, async || {
        let page = client.get(&format!("/webhooks/{webhook}/deliveries?limit=1")).await.expect(200).json();
        Some(page["data"][0].clone()).filter(|delivery| delivery.is_object() && wanted(delivery))
    })
    .await
}
