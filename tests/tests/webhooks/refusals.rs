//! What is never requested: addresses of the inside, in every spelling, whenever they are found to be one.

use e2e::{Receiver, System};
use serde_json::json;

use crate::{delivery, endpoint};

#[tokio::test]
async fn addresses_of_the_inside_are_refused_in_every_spelling_and_nothing_is_connected_to() {
    // Nobody allows anything here.
    let system = System::builder().start().await;
    let receiver = Receiver::ok().await;
    let port = receiver.url("").rsplit_once(':').expect("a port").1.to_owned();
    let literal = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "0177.1",
        "017700000001",
        "0x7f.0.0.0x1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "0",
        "[::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
    ];
    let hosts = literal.iter().map(|host| format!("http://{host}:{port}/"));
    let odd = [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://a@b.example/",
        "http://a:b@b.example/",
        "//x",
        "x",
    ];
    let all: Vec<String> = hosts.chain(odd.map(str::to_owned)).collect();
    assert!(all.len() >= 40, "{}", all.len());
    for url in &all {
        let refused = system.client.post("/webhooks", &json!({ "url": url, "events": ["*"] })).await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec!["/url".to_owned()]), "{url}");
        let task = json!({ "kind": "echo", "input": {}, "webhook": { "url": url } });
        assert_eq!(system.client.post("/tasks", &task).await.expect(422).pointers(), ["/webhook/url"], "{url}");
    }
    // They are looked at again when they are sent to: whoever got one in by another way has not got it any further.
    let (id, _) = endpoint(&system.client, "https://example.com/", json!({})).await;
    for url in all.iter().take(literal.len()) {
        let sql = format!("UPDATE webhooks SET url = '{url}'");
        system.database.execute(&sql).await;
        system.database.execute("UPDATE webhook_lanes SET slow_until = NULL, due_at = now()").await;
        let sent = system
            .client
            .send(system.client.request(reqwest::Method::POST, &format!("/webhooks/{id}/test")))
            .await
            .expect(202)
            .json();
        let tried = delivery(&system.client, &id, url, |delivery| {
            delivery["id"] == sent["id"] && delivery["attempts"][0].is_object()
        })
        .await;
        let error = tried["attempts"][0]["error"].as_str().expect("an error").to_owned();
        assert!(
            ["address_refused", "port_refused", "url_invalid", "name_unknown", "name_unresolved"]
                .contains(&error.as_str()),
            "{url}: {error}"
        );
    }
    assert_eq!(receiver.count(), 0);
}
