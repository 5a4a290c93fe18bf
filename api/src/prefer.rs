//! `Prefer: wait=N` (RFC 7240, 4.3): how long a client wants to wait for the end of a task.

use std::time::Duration;

use axum::http::HeaderMap;

/// Nobody waits longer in one request.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long the client wants to wait, at most [`WAIT_MAX`]. A preference that makes no sense is none.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(','));
    preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then(|| Duration::from_secs(seconds).min(WAIT_MAX))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        let wait = |text| wait(&HeaderMap::from_iter([("prefer".parse().unwrap(), HeaderValue::from_static(text))]));
        assert_eq!(wait("wait=10"), Some(Duration::from_secs(10)));
        assert_eq!(wait("respond-async, Wait = 5 ; foo"), Some(Duration::from_secs(5)));
        assert_eq!(wait("wait=9999"), Some(WAIT_MAX));
        assert_eq!(wait("wait=\"3\""), Some(Duration::from_secs(3)));
        for none in ["wait", "wait=", "wait=-1", "wait=1.5", "waiting=3", "respond-async"] {
            assert_eq!(wait(none), None, "{none}");
        }
        assert_eq!(super::wait(&HeaderMap::new()), None);
    }
}
