//! What was found is read, compared and taken away as a table, by those whose it is.

use e2e::{Client, System};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    host::{Host, json as answer},
    scrape, system,
};

/// A definition of a provider at this address, with a price for each `[gpu, price]`.
fn definition(id: &str, url: &str) -> Value {
    json!({
        "id": id, "currency": "USD", "items": ["$.types[*]"], "request": { "url": url },
        "fields": { "sku": "$[0]", "gpu": "$[0]", "count": 1, "region": "$[2]" },
        "prices": [{ "value": "$[1]", "unit": "hour", "per": "gpu", "market": { "path": "$[3]", "pipe": [{ "default": "on_demand" }] } }],
    })
}

/// Three providers of one GPU, scraped.
async fn market(system: &System, host: &Host) {
    for (id, types) in [
        ("alpha", json!([["A100 PCIe 80GB", "1.00", "eu-1"], ["A100 PCIe 80GB", "0.60", "eu-1", "spot"]])),
        ("beta", json!([["A100 PCIe 80GB", "1.25", "us-1"]])),
        ("gamma", json!([["A100 PCIe 80GB", "2.50", "us-2"], ["Quux 9000", "9.00", "us-2"]])),
    ] {
        host.says(&format!("/{id}"), [answer(&json!({ "types": types }))]);
        let output = scrape(system, json!({ "provider": definition(id, &host.at(&format!("/{id}"))) })).await;
        assert_eq!(output["outcome"], "ok", "{output}");
    }
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).json()
}

#[tokio::test]
async fn prices_are_read_compared_and_taken_away_as_tables() {
    let (system, host) = (system().await, Host::start().await);
    market(&system, &host).await;
    let client = &system.client;

    let all = get(client, "/prices/latest").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(5), "{all:#}");
    let first = get(client, "/prices/latest?gpu=a100%20pcie%2080gb&limit=2").await;
    assert_eq!((first["data"].as_array().map(Vec::len), &first["has_more"]), (Some(2), &json!(true)));
    let after = first["next_after"].as_str().expect("a place to go on");
    let rest = get(client, &format!("/prices/latest?gpu=A100-PCIe-80GB&after={after}")).await;
    assert_eq!((rest["data"].as_array().map(Vec::len), &rest["has_more"]), (Some(2), &json!(false)));
    let price = &first["data"][0];
    assert_eq!(
        (&price["amount"], &price["gpu"], &price["unit"]),
        (&json!("1"), &json!("A100-PCIe-80GB"), &json!("gpu_hour"))
    );
    assert_eq!(price["evidence"]["raw"], "1.00", "{price:#}");

    let offer = price["offer"].as_str().expect("a key");
    let history = get(client, &format!("/prices/history?offer={offer}&changes=true")).await;
    assert_eq!((history["data"].as_array().map(Vec::len), &history["lowest"]), (Some(1), &json!("1")));
    assert_eq!(
        client.get(&format!("/prices/history?offer={}", "0".repeat(32))).await.expect(404).code(),
        "offer_not_found"
    );

    let compared = get(client, "/prices/compare?gpu=A100-PCIe-80GB").await;
    let providers: Vec<&str> =
        compared["data"].as_array().expect("quotes").iter().filter_map(|quote| quote["provider"].as_str()).collect();
    assert_eq!((providers, &compared["median"]), (vec!["alpha", "beta", "gamma"], &json!("1.25")));
    assert_eq!(compared["data"][0]["g_score_pct"], "100");

    let found = get(client, "/prices/arbitrage?gpu=A100-PCIe-80GB").await;
    assert_eq!((&found["best"], &found["best_price"]), (&json!("alpha"), &json!("1")));
    let dearest = &found["opportunities"][0];
    assert_eq!(
        (&dearest["instead_of"], &dearest["saving_pct"], &dearest["markup_pct"]),
        (&json!("gamma"), &json!("60"), &json!("150"))
    );
    assert_eq!(dearest["monthly_saving_per_gpu"], "1095");
    let wide = get(client, "/prices/arbitrage?gpu=A100-PCIe-80GB&min_spread_pct=40").await;
    assert_eq!(wide["opportunities"].as_array().map(Vec::len), Some(1));

    let best = get(client, "/prices/best?gpu=A100-PCIe-80GB&gpu_count=4&spot=true").await;
    assert_eq!(
        (&best["deal"]["market"], &best["deal"]["usd_per_hour"], &best["deal"]["on_demand_price"]),
        (&json!("spot"), &json!("2.4"), &json!("1"))
    );
    assert_eq!(get(client, "/prices/best?gpu=T4").await["found"], false);
    let savings = get(client, "/prices/savings?gpu=A100-PCIe-80GB&from=gamma&gpus=8&hours_per_day=12").await;
    assert_eq!((&savings["monthly_saving"], &savings["hours"]), (&json!("4380"), &json!("365")));

    let gpus = get(client, "/gpus").await;
    assert_eq!(gpus["unknown"], json!([{ "name": "Quux 9000", "provider": "gamma", "offers": 1 }]));
    assert!(gpus["data"].as_array().is_some_and(|gpus| gpus.len() > 40));

    let csv = client
        .send(client.request(Method::GET, "/prices/compare?gpu=A100-PCIe-80GB").header("accept", "text/csv"))
        .await;
    let csv = String::from_utf8(csv.expect(200).bytes).expect("text");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("provider,usd_per_gpu_hour,") && lines[1].starts_with("alpha,1,"), "{csv}");
    assert_eq!(lines.len(), 4);

    let wrong = client.get("/prices/arbitrage?min_spread_pct=x&colour=red").await.expect(422);
    assert_eq!(wrong.pointers(), ["?colour", "?gpu", "?min_spread_pct"]);

    let table = system.command(&["prices", "arbitrage", "A100-PCIe-80GB"]).output().expect("the command");
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("cheapest: alpha at 1 USD") && table.contains("gamma"), "{table}");
    for command in [
        &["prices", "latest"][..],
        &["prices", "history", offer],
        &["prices", "compare", "a100 pcie 80gb"],
        &["prices", "best", "a100 pcie 80gb", "--gpus", "4"],
        &["prices", "savings", "a100 pcie 80gb", "--paying", "3"],
        &["prices", "providers"],
        &["prices", "providers", "verda", "--dry-run"],
    ] {
        let out = system.command(command).output().expect("the command");
        assert!(
            out.status.success() && !out.stdout.is_empty(),
            "{command:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[tokio::test]
async fn a_definition_is_checked_tried_kept_and_run_by_its_name() {
    let (system, host) = (system().await, Host::start().await);
    let client = &system.client;
    let put = async |body: &Value| client.send(client.request(Method::PUT, "/providers/delta").json(body)).await;
    let types = json!({ "types": [["H100 SXM5 80GB", "2.00", "eu"]] });
    let good = definition("delta", &host.at("/delta"));

    let mut wrong = good.clone();
    wrong["prices"][0]["unit"] = json!("fortnight");
    assert_eq!(put(&json!({ "definition": wrong })).await.expect(422).pointers(), ["/definition"]);
    assert_eq!(
        put(&json!({ "definition": definition("other", "https://a.example") })).await.expect(422).pointers(),
        ["/definition/id"]
    );
    let empty = json!({ "definition": good, "sample": { "types": [] } });
    assert_eq!(put(&empty).await.expect(422).pointers(), ["/sample"]);
    assert_eq!(put(&json!({ "definition": good, "enabled": true })).await.expect(422).pointers(), ["/enabled"]);

    let draft = put(&json!({ "definition": good })).await.expect(200).json();
    assert_eq!(draft["enabled"], false);
    let tried = client.post("/providers/delta/dry-run", &json!({ "response": types })).await.expect(200).json();
    assert_eq!(
        (&tried["offers"][0]["price_per_gpu_hour"], tried["offers"].as_array().map(Vec::len)),
        (&json!("2"), Some(1))
    );
    let kept = put(&json!({ "definition": good, "sample": types })).await.expect(200).json();
    assert_eq!((&kept["enabled"], &kept["last_run"]), (&json!(true), &Value::Null));

    host.says("/delta", [answer(&types), answer(&json!({ "types": [] }))]);
    assert_eq!(scrape(&system, json!({ "provider": "delta" })).await["outcome"], "ok");
    assert_eq!(scrape(&system, json!({ "provider": "delta" })).await["outcome"], "suspicious");
    // What broke in silence is seen.
    let run = get(client, "/providers/delta").await["last_run"].clone();
    assert_eq!((&run["outcome"], &run["bad_runs"]), (&json!("suspicious"), &json!(1)), "{run:#}");
    assert!(run["good_at"].is_string());
    let listed = get(client, "/providers").await;
    let shipped =
        listed["data"].as_array().expect("providers").iter().find(|provider| provider["id"] == "lambda").cloned();
    assert!(shipped.is_some_and(|shipped| shipped["shipped"] == true && shipped["secrets"][0].is_string()));

    client.send(client.request(Method::DELETE, "/providers/delta")).await.expect(204);
    assert_eq!(client.get("/providers/delta").await.expect(404).code(), "provider_not_found");
    let id = client.submit("price.scrape", json!({ "provider": "delta" }), json!({})).await;
    assert_eq!(client.wait(&id, "failed", crate::SCRAPE).await["error"]["code"], "provider_not_found");
}

#[tokio::test]
async fn another_project_sees_none_of_it() {
    let (system, host) = (system().await, Host::start().await);
    market(&system, &host).await;
    let client = &system.client;
    let offer = get(client, "/prices/latest?limit=1").await["data"][0]["offer"].as_str().expect("a key").to_owned();
    let put = json!({ "definition": definition("alpha", "https://a.example/x"), "sample": { "types": [["T4", "1"]] } });
    client.send(client.request(Method::PUT, "/providers/alpha").json(&put)).await.expect(200);

    let project = client.post("/projects", &json!({ "name": "other" })).await.expect(201).json()["id"].clone();
    let key = json!({ "name": "k", "scopes": ["tasks:read", "tasks:write"], "project": project });
    let key = client.post("/keys", &key).await.expect(201).json();
    let other = client.with_key(key["secret"].as_str().expect("a secret"));
    assert_eq!(get(&other, "/prices/latest").await["data"], json!([]));
    assert_eq!(other.get(&format!("/prices/history?offer={offer}")).await.expect(404).code(), "offer_not_found");
    assert_eq!(other.get(&format!("/prices/latest?after={offer}")).await.expect(422).pointers(), ["?after"]);
    assert_eq!(get(&other, "/prices/compare?gpu=A100-PCIe-80GB").await["data"], json!([]));
    assert_eq!(get(&other, "/gpus").await["unknown"], json!([]));
    assert_eq!(other.get("/providers/alpha").await.expect(404).code(), "provider_not_found");
    other.send(other.request(Method::DELETE, "/providers/alpha")).await.expect(404);
    assert_eq!(get(client, "/providers/alpha").await["shipped"], false);
}
