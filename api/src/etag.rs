//! Entity tags (RFC 9110, 8.8.3): a strong one of a version or a digest, and whether a client has it.

use axum::http::{HeaderMap, HeaderName, header};

/// The strong tag of an opaque word.
pub(crate) fn strong(word: &str) -> String {
    format!("\"{word}\"")
}

/// Whether the client has the representation that is tagged `tag` already.
pub(crate) fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    lists(headers, &header::IF_NONE_MATCH, tag)
}

/// Whether the client means the version that is tagged `tag`: it names that one, or says nothing of versions.
pub(crate) fn is_meant(headers: &HeaderMap, tag: &str) -> bool {
    !headers.contains_key(header::IF_MATCH) || lists(headers, &header::IF_MATCH, tag)
}

/// Whether a list of tags in a header has `tag`, by weak comparison: a proxy may have made ours a weak one.
fn lists(headers: &HeaderMap, name: &HeaderName, tag: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|sent| sent == "*" || sent.strip_prefix("W/").unwrap_or(sent) == tag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list() {
        let has = |text| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(text))]);
            none_match(&headers, &strong("7"))
        };
        for known in ["\"7\"", "W/\"7\"", "\"1\", \"7\"", "*"] {
            assert!(has(known), "{known}");
        }
        for other in ["\"8\"", "7", "", "\"77\""] {
            assert!(!has(other), "{other}");
        }
        assert!(!none_match(&HeaderMap::new(), "\"7\""));
    }
}
