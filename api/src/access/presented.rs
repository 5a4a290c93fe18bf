//! The key that a request carries: `Authorization: Bearer` (RFC 6750) or `X-API-Key`. Never a part of the address, which is logged on
//! its way.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::problem::{Code, Problem};

const API_KEY: &str = "x-api-key";

/// The key of a request, if it has one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(bearer);
    let plain = headers.get_all(API_KEY).iter().map(text);
    let mut key = None;
    for sent in bearers.chain(plain) {
        if key.is_some_and(|key| key != sent) {
            return Err(Problem::new(Code::InvalidHeader, "the request carries two keys: send one"));
        }
        key = Some(sent);
    }
    Ok(key)
}

/// What stands behind `Bearer`. Of another scheme nothing, which is the key of nobody.
fn bearer(value: &HeaderValue) -> &str {
    let (scheme, key) = text(value).split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") { key.trim() } else { "" }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().map(str::trim).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(sent: &[(&'static str, &'static str)]) -> Result<Option<String>, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        key(&headers).map(|key| key.map(str::to_owned)).map_err(|problem| problem.code)
    }

    #[test]
    fn a_key_comes_in_one_of_two_headers_or_the_same_in_both() {
        assert_eq!(key_of(&[]), Ok(None));
        assert_eq!(key_of(&[("authorization", "Bearer k")]), Ok(Some("k".to_owned())));
        assert_eq!(key_of(&[("authorization", "bearer  k ")]), Ok(Some("k".to_owned())));
        assert_eq!(key_of(&[("x-api-key", "k")]), Ok(Some("k".to_owned())));
        assert_eq!(key_of(&[("x-api-key", "k"), ("authorization", "Bearer k")]), Ok(Some("k".to_owned())));
        for strange in ["Basic k", "k", "", "Bearer"] {
            assert_eq!(key_of(&[("authorization", strange)]), Ok(Some(String::new())), "{strange}");
        }
        for two in [
            &[("x-api-key", "k"), ("authorization", "Bearer l")][..],
            &[("x-api-key", "k"), ("x-api-key", "l")],
            &[("x-api-key", "k"), ("authorization", "Basic k")],
        ] {
            assert_eq!(key_of(two), Err(Code::InvalidHeader), "{two:?}");
        }
    }
}
