//! `Idempotency-Key`: makes a repeated submission one task.

use axum::http::HeaderMap;
use jobs_core::task::Idempotency;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::problem::{Code, Problem};

/// The longest key.
const LONGEST: usize = 255;

/// The key of a request, with the digest of what it asks for. The key stands in quotes (as
/// draft-ietf-httpapi-idempotency-key-header has it) or bare.
pub(crate) fn of(headers: &HeaderMap, operation: &str, body: &Value) -> Result<Option<Idempotency>, Problem> {
    let mut sent = headers.get_all("idempotency-key").iter();
    let Some(first) = sent.next() else { return Ok(None) };
    let key = first.to_str().ok().and_then(read).filter(|_| sent.next().is_none());
    let Some(key) = key else {
        let detail = format!("Idempotency-Key must be one key of 1 to {LONGEST} visible ASCII characters");
        return Err(Problem::new(Code::InvalidHeader, detail));
    };
    Ok(Some(Idempotency { key, fingerprint: fingerprint(operation, body) }))
}

fn read(text: &str) -> Option<String> {
    let text = text.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let key = match quoted {
        Some(inner) => unescape(inner)?,
        None => text.to_owned(),
    };
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    (is_visible && (1..=LONGEST).contains(&key.len())).then_some(key)
}

/// A string of RFC 8941: a backslash stands before a quote or a backslash, and nowhere else.
fn unescape(inner: &str) -> Option<String> {
    let mut key = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => key.push(chars.next().filter(|next| matches!(next, '"' | '\\'))?),
            '"' => return None,
            other => key.push(other),
        }
    }
    Some(key)
}

/// A digest of a request that does not depend on how its JSON is written.
fn fingerprint(operation: &str, body: &Value) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(operation.as_bytes());
    digest.update([0]);
    feed(&mut digest, body);
    digest.finalize().to_vec()
}

fn feed(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|field| field.0);
            digest.update(format!("{{{}", fields.len()));
            for (name, value) in fields {
                feed(digest, &Value::from(name.as_str()));
                feed(digest, value);
            }
        }
        Value::Array(items) => {
            digest.update(format!("[{}", items.len()));
            items.iter().for_each(|item| feed(digest, item));
        }
        // Quotes and commas keep neighbours apart.
        scalar => digest.update(format!("{scalar},")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_quoted_or_bare() {
        assert_eq!(read("abc").as_deref(), Some("abc"));
        assert_eq!(read(" \"abc\" ").as_deref(), Some("abc"));
        assert_eq!(read(r#""a\"b\\c""#).as_deref(), Some(r#"a"b\c"#));
        assert_eq!(read(&"k".repeat(255)).map(|key| key.len()), Some(255));
        for bad in ["", "\"\"", "two words", "naïve", r#""a"b""#, r#""a\b""#, &"k".repeat(256)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_keys_are_no_key() {
        let mut headers = HeaderMap::new();
        assert!(of(&headers, "x", &json!({})).is_ok_and(|key| key.is_none()));
        headers.append("idempotency-key", HeaderValue::from_static("a"));
        assert!(of(&headers, "x", &json!({})).is_ok_and(|key| key.is_some()));
        headers.append("idempotency-key", HeaderValue::from_static("b"));
        assert!(of(&headers, "x", &json!({})).is_err());
    }

    #[test]
    fn the_digest_sees_what_is_said_and_not_how() {
        let one: Value = serde_json::from_str(r#"{"a": 1, "b": {"c": [1, "2"], "d": null}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"b":{"d":null,"c":[1,"2"]},"a":1}"#).unwrap();
        assert_eq!(fingerprint("x", &one), fingerprint("x", &two));
        assert_ne!(fingerprint("x", &one), fingerprint("y", &one));
        for other in [json!({"a": 1}), json!({"a": 1, "b": {"c": [1, 2], "d": null}}), json!([["a"], 1])] {
            assert_ne!(fingerprint("x", &one), fingerprint("x", &other));
        }
        assert_ne!(fingerprint("x", &json!([["a"], "b"])), fingerprint("x", &json!([["a", "b"]])));
    }
}
