//! A problem: the server's `application/problem+json` answer (RFC 9457), and how it is shown.

use serde_json::{Value, json};

use super::screen::{Paint, Screen};
use super::text::clean;

/// What the server had against a request.
#[derive(Debug)]
pub(super) struct Problem {
    /// The HTTP status of the answer.
    pub(super) status: u16,
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    faults: Vec<Fault>,
    raw: Value,
}

/// One bad field.
#[derive(Debug)]
struct Fault {
    pointer: String,
    detail: String,
}

impl Problem {
    /// Reads whatever body came with an error status. A proxy's HTML page is a problem as well.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let raw: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
        let faults = raw.get("errors").and_then(Value::as_array);
        let faults = faults.into_iter().flatten().map(Fault::read).collect();
        Self {
            status,
            title: text("title"),
            detail: text("detail"),
            code: text("code"),
            request_id: text("request_id"),
            faults,
            raw,
        }
    }

    /// One line: what and why.
    pub(super) fn summary(&self) -> String {
        let what = [&self.title, &self.detail, &self.code];
        let what = what.into_iter().flatten().next();
        what.map_or_else(|| reason_phrase(self.status), |text| clean(text))
    }

    pub(super) fn tell(&self, screen: &Screen) {
        let error = screen.paint_err(Paint::Red, "error:");
        let code = self.code.as_deref().map(clean).unwrap_or_default();
        let label = format!("({} {code})", self.status).replace(" )", ")");
        let label = screen.paint_err(Paint::Dim, &label);
        screen.note(&format!("{error} {} {label}", self.summary()));
        if let (Some(_), Some(detail)) = (&self.title, &self.detail) {
            screen.note(&format!("  {}", clean(detail)));
        }
        let width = self.faults.iter().map(|fault| fault.pointer.chars().count()).max();
        for Fault { pointer, detail } in &self.faults {
            let pointer = format!("{pointer:<0$}", width.unwrap_or(0));
            let pointer = screen.paint_err(Paint::Yellow, &pointer);
            screen.note(&format!("  {pointer}  {detail}"));
        }
        if let Some(id) = &self.request_id {
            let line = format!("  request id: {}", clean(id));
            screen.note(&screen.paint_err(Paint::Dim, &line));
        }
        if let Some(hint) = self.hint() {
            screen.note(&format!("  {hint}"));
        }
    }

    pub(super) fn as_json(&self) -> Value {
        let mut json = match &self.raw {
            Value::Object(_) => self.raw.clone(),
            _ => json!({ "detail": self.summary() }),
        };
        json["status"] = self.status.into();
        json
    }

    fn hint(&self) -> Option<&'static str> {
        match self.status {
            401 => Some("Pass a key with --api-key or LONGSHORE_API_KEY."),
            _ if self.code.as_deref().is_some_and(|code| code.contains("kind")) => {
                Some("`longshore kinds` lists what this server can do.")
            }
            429 | 503 => Some("Nothing was accepted; try again in a moment."),
            _ => None,
        }
    }
}

impl Fault {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(clean);
        let pointer = text("pointer").filter(|pointer| !pointer.is_empty());
        Self {
            pointer: pointer.unwrap_or_else(|| "(body)".to_owned()),
            detail: text("detail").unwrap_or_else(|| clean(&value.to_string())),
        }
    }
}

fn reason_phrase(status: u16) -> String {
    let known = reqwest::StatusCode::from_u16(status).ok();
    let phrase = known.and_then(|status| status.canonical_reason());
    phrase.map_or_else(|| format!("status {status}"), str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::super::screen::Screen;
    use super::*;

    #[test]
    fn every_bad_field_has_its_line() {
        let body = json!({
            "title": "invalid request", "status": 422, "code": "invalid_input",
            "detail": "2 fields are wrong", "request_id": "req_1",
            "errors": [
                { "pointer": "/input/title", "detail": "is too short" },
                { "pointer": "/priority", "detail": "is over 9" },
            ],
        });
        let (screen, seen) = Screen::recorded();

        Problem::read(422, body.to_string().as_bytes()).tell(&screen);

        let expected = "error: invalid request (422 invalid_input)\n  2 fields are wrong\n  \
                        /input/title  is too short\n  /priority     is over 9\n  request id: req_1\n";
        assert_eq!(seen.err(), expected);
    }

    #[test]
    fn a_page_of_a_proxy_is_a_problem_too() {
        let problem = Problem::read(502, b"<html>oops</html>");
        assert_eq!(problem.summary(), "bad gateway");
        assert_eq!(problem.as_json()["status"], 502);
    }
}
