//! What a client accepts (RFC 9110, 12.5.1).

use axum::{
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::{Code, Problem};

/// Whether the client takes answers of `media_type`, and how much it likes them: 0 is not at all, 1000 is most.
pub(crate) fn liking(headers: &HeaderMap, media_type: &str) -> u16 {
    let sent: Vec<_> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<_> =
        sent.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|r| !r.is_empty()).collect();
    if ranges.is_empty() {
        return 1000;
    }
    let family = media_type.split('/').next().unwrap_or_default();
    // The most specific range that fits decides.
    let mut best = (0, 0);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let rank = match name.as_str() {
            "*/*" | "*" => 1,
            name if name.strip_suffix("/*") == Some(family) => 2,
            name if name == media_type => 3,
            _ => continue,
        };
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        if rank >= best.0 {
            best = (rank, q.map_or(1000, weight));
        }
    }
    best.1
}

/// Whether the client names `media_type` itself, not only by a wildcard.
pub(crate) fn names(headers: &HeaderMap, media_type: &str) -> bool {
    let mut sent = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    sent.any(|line| {
        line.split(',').any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type))
    })
}

fn weight(text: &str) -> u16 {
    let q: f32 = text.trim().parse().unwrap_or(1.0);
    // Between 0 and 1000 after the clamp.
    (q.clamp(0.0, 1.0) * 1000.0) as u16
}

/// The layer around routes that answer with JSON alone.
pub(crate) async fn json_only(request: Request, next: Next) -> Response {
    if takes_json(request.headers()) {
        return next.run(request).await;
    }
    Problem::new(Code::NotAcceptable, "this operation answers with application/json").into_response()
}

fn takes_json(headers: &HeaderMap) -> bool {
    ["application/json", "application/problem+json"].iter().any(|media_type| liking(headers, media_type) > 0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn json(accept: &'static str) -> u16 {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        liking(&headers, "application/json")
    }

    #[test]
    fn the_most_specific_range_decides() {
        assert_eq!(liking(&HeaderMap::new(), "application/json"), 1000);
        assert_eq!(json("*/*"), 1000);
        assert_eq!(json("text/html, application/*;q=0.5"), 500);
        assert_eq!(json("application/json;q=0, */*"), 0);
        assert_eq!(json("*/*, application/json; q=0"), 0);
        assert_eq!(json("text/html"), 0);
        assert_eq!(json("text/html, Application/JSON"), 1000);
        assert_eq!(json("*/*;q=rubbish"), 1000);
        assert_eq!(json(""), 1000);
    }
}
