//! What a redirect makes of a request (RFC 9110, section 15.4).

use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, LOCATION,
        PROXY_AUTHORIZATION,
    },
};

use crate::{error::Failure, request::Request};

/// The `Location` of an answer that asks to go elsewhere; `None` where it does not.
pub(crate) fn location(status: StatusCode, headers: &HeaderMap) -> Result<Option<String>, Failure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = headers.get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    location.map(|location| Some(location.to_owned())).ok_or(Failure::Location)
}

/// Makes `request` what is sent to the place it was redirected to.
pub(crate) fn adapt(request: &mut Request, status: StatusCode, same_origin: bool) {
    let becomes_get = match status.as_u16() {
        // As every browser does, and as RFC 9110 therefore allows.
        301 | 302 => request.method == Method::POST,
        303 => request.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = Bytes::new();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION] {
            request.headers.remove(name);
        }
    }
    if same_origin {
        return;
    }
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        request.headers.remove(name);
    }
    let sensitive = request.headers.iter().filter(|(_, value)| value.is_sensitive());
    let sensitive: Vec<_> = sensitive.map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        request.headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn each_status_has_its_own_law_of_methods() {
        let table = [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (301, "PUT", "PUT"),
            (302, "DELETE", "DELETE"),
            (303, "POST", "GET"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (307, "POST", "POST"),
            (308, "PATCH", "PATCH"),
        ];
        for (status, before, after) in table {
            let mut request = Request::new(before.parse().unwrap(), "").body("body");
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            adapt(&mut request, StatusCode::from_u16(status).unwrap(), true);
            assert_eq!(request.method.as_str(), after, "{status} {before}");
            let kept = before == after;
            let has_body = !request.body.is_empty() && request.headers.contains_key(CONTENT_TYPE);
            assert_eq!(has_body, kept, "{status} {before}");
        }
    }

    #[test]
    fn credentials_stay_at_their_origin() {
        let mut secret = HeaderValue::from_static("s");
        secret.set_sensitive(true);
        let mut request = Request::new(Method::GET, "");
        for name in ["authorization", "cookie", "accept"] {
            request.headers.insert(name, HeaderValue::from_static("v"));
        }
        request.headers.insert("x-api-key", secret);

        adapt(&mut request, StatusCode::FOUND, true);
        assert_eq!(request.headers.len(), 4);
        adapt(&mut request, StatusCode::FOUND, false);
        assert_eq!(request.headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn only_five_statuses_lead_elsewhere() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static("/x"));
        let leads = |status| location(StatusCode::from_u16(status).unwrap(), &headers).unwrap().is_some();
        let leading: Vec<u16> = (100..600).filter(|status| leads(*status)).collect();
        assert_eq!(leading, [301, 302, 303, 307, 308]);
        assert_eq!(location(StatusCode::FOUND, &HeaderMap::new()), Err(Failure::Location));
    }
}
