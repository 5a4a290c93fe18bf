//! The headers of answers, described once.

use serde_json::{Map, Value, json};

/// What stands in the header, when it does, and what it is.
const HEADERS: [(&str, &str, &str); 6] = [
    ("X-Request-Id", "string", "The id of the request: that of the client, or one made for it. It is in the logs."),
    ("RateLimit", "string", "What is left of each limit that holds for the operation, and when more comes."),
    ("RateLimit-Policy", "string", "The limits that hold for the operation."),
    ("Idempotency-Replayed", "string", "`true` when the answer is that of an earlier request under the same key."),
    ("Preference-Applied", "string", "`wait=N`, when the request preferred to wait."),
    ("WWW-Authenticate", "string", "How to show a key, and which scope it needs."),
];

/// All of them, for the components of the document.
pub(super) fn components() -> Value {
    let header = |(name, kind, description): (&str, &str, &str)| {
        (name.to_owned(), json!({ "schema": { "type": kind }, "description": description }))
    };
    Value::Object(HEADERS.into_iter().map(header).collect())
}

/// Adds those that an answer of this status has, by what the operation is.
pub(super) fn add(responses: &mut Map<String, Value>, has_key: bool, parameters: &[String]) {
    let takes = |name: &str| parameters.iter().any(|parameter| parameter == name);
    for (status, response) in responses {
        let mut refer = |name: &str| {
            response["headers"][name] = json!({ "$ref": format!("#/components/headers/{name}") });
        };
        refer("X-Request-Id");
        let is_success = status.starts_with('2');
        if has_key && (is_success || status == "429") {
            refer("RateLimit");
            refer("RateLimit-Policy");
        }
        if is_success && takes("Idempotency-Key") {
            refer("Idempotency-Replayed");
        }
        if is_success && takes("Prefer") {
            refer("Preference-Applied");
        }
        if has_key && matches!(status.as_str(), "401" | "403") {
            refer("WWW-Authenticate");
        }
    }
}
