//! What browsers are told: whose pages may read answers, and what pages of this server may do.

use e2e::{Answer, System};
use reqwest::Method;

const APP: &str = "https://app.example";

async fn preflight(system: &System, origin: &str) -> Answer {
    let request = system.client.with_key("").request(Method::OPTIONS, "/tasks").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    system.client.send(request.header("access-control-request-headers", "authorization, idempotency-key")).await
}

async fn list(system: &System, origin: &str, key: &str) -> Answer {
    system.client.send(system.client.with_key(key).request(Method::GET, "/tasks").header("origin", origin)).await
}

#[tokio::test]
async fn pages_of_named_origins_may_use_the_api_and_no_others() {
    let system = System::builder().without_scheduler().env("LONGSHORE_API_CORS_ORIGINS", APP).start().await;
    let key = system.client.key.clone();

    let asked = preflight(&system, APP).await.expect(204);
    assert_eq!(asked.header("access-control-allow-origin"), Some(APP));
    let lists = |name: &str, word: &str| {
        asked.header(name).is_some_and(|list| list.to_lowercase().split(',').any(|item| item.trim() == word))
    };
    assert!(lists("access-control-allow-methods", "post") && lists("access-control-allow-methods", "delete"));
    assert!(lists("access-control-allow-headers", "authorization"), "{asked:?}");
    assert!(lists("access-control-allow-headers", "idempotency-key"), "{asked:?}");

    for (key, status) in [(key.as_str(), 200), ("", 401)] {
        let answer = list(&system, APP, key).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "also what went wrong is read");
        assert_eq!(answer.header("vary"), Some("Origin"));
        let exposed = answer.header("access-control-expose-headers").expect("what may be read");
        for name in ["Location", "ETag", "Retry-After", "RateLimit", "Idempotency-Replayed", "X-Request-Id", "Link"] {
            assert!(exposed.split(", ").any(|word| word == name), "{name} is not in {exposed}");
        }
    }
    for other in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null"] {
        assert_eq!(list(&system, other, &key).await.expect(200).header("access-control-allow-origin"), None, "{other}");
        let refused = preflight(&system, other).await;
        assert!(refused.status.is_client_error(), "{other}: {}", refused.status);
        assert_eq!(refused.header("access-control-allow-origin"), None, "{other}");
    }
}

#[tokio::test]
async fn no_page_of_another_origin_may_use_the_api_unless_it_is_named() {
    let system = System::builder().without_scheduler().start().await;
    let key = system.client.key.clone();
    assert_eq!(list(&system, APP, &key).await.expect(200).header("access-control-allow-origin"), None);
    assert!(preflight(&system, APP).await.status.is_client_error());
}

#[tokio::test]
async fn every_answer_says_what_a_browser_must_not_do_with_it() {
    let public = ("LONGSHORE_API_PUBLIC_URL", "https://jobs.example");
    for is_secure in [false, true] {
        let builder = System::builder().without_scheduler();
        let system = if is_secure { builder.env(public.0, public.1) } else { builder }.start().await;
        for path in ["/ping", "/tasks", "/docs", "/nothing"] {
            let answer = system.client.get(path).await;
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert_eq!(answer.header("strict-transport-security").is_some(), is_secure, "{path}");
        }
    }
}
