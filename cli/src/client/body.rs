//! The body of a submission, put together from a file, an input and options.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::failure::Failure;

/// The fields of `POST /tasks`. A file that has a `kind` and nothing but these is a whole task;
/// any other file is the input of one.
const TASK_FIELDS: [&str; 16] = [
    "kind",
    "input",
    "queue",
    "priority",
    "run_at",
    "delay_ms",
    "deadline",
    "timeout_ms",
    "max_attempts",
    "retry",
    "group",
    "depends_on",
    "coalesce",
    "webhook",
    "tags",
    "metadata",
];

/// The task that a file describes, for the kind that was named, if any.
pub(super) fn from_file(text: &str, kind: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let value = json(text)?;
    if let Value::Object(body) = &value
        && is_whole_task(body)
    {
        let its_kind = body.get("kind").and_then(Value::as_str);
        if let (Some(kind), Some(its_kind)) = (kind, its_kind)
            && kind != its_kind
        {
            return Err(Failure::Usage(format!("the file is a task of kind {its_kind}, not {kind}")));
        }
        return Ok(body.clone());
    }
    match kind {
        Some(kind) => Ok(from_input(kind, value)),
        None => Err(Failure::Usage(
            "the file is no whole task (it has no `kind`); name the KIND it is an input for".to_owned(),
        )),
    }
}

/// The task of `kind` with this input.
pub(super) fn from_input(kind: &str, input: Value) -> Map<String, Value> {
    Map::from_iter([("kind".to_owned(), kind.into()), ("input".to_owned(), input)])
}

/// An input as it is given on the command line: JSON, `@file`, or `-` for standard input.
pub(super) fn input(text: &str) -> Result<Value, Failure> {
    match text.strip_prefix('@') {
        Some(path) => json(&read(path)?),
        None if text == "-" => json(&read("-")?),
        None => json(text),
    }
}

/// The text of the file `path`, or of standard input when it is `-`.
pub(super) fn read(path: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let result = match path {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| text),
        _ => std::fs::read_to_string(Path::new(path)),
    };
    let name = if path == "-" { "standard input" } else { path };
    result.map_err(|err| Failure::Local(format!("cannot read {name}: {err}")))
}

fn json(text: &str) -> Result<Value, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|err| Failure::Usage(format!("that is no JSON: {err}")))
}

fn is_whole_task(body: &Map<String, Value>) -> bool {
    let known = |name: &String| TASK_FIELDS.contains(&name.as_str());
    body.get("kind").is_some_and(Value::is_string) && (body.contains_key("input") || body.keys().all(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_whole_task_or_an_input() {
        let whole = r#"{ "kind": "echo", "input": { "text": "hi" } }"#;
        let input = r#"{ "text": "hi" }"#;
        assert_eq!(from_file(whole, None).unwrap(), from_file(input, Some("echo")).unwrap());
        assert_eq!(from_file(whole, Some("echo")).unwrap()["kind"], "echo");
        assert!(from_file(input, None).is_err(), "an input has no kind");
        assert!(from_file(whole, Some("video.generate")).is_err(), "the kinds differ");
    }

    #[test]
    fn an_input_may_have_a_field_called_kind() {
        let body = from_file(r#"{ "kind": "jpeg", "quality": 3 }"#, Some("convert")).unwrap();
        assert_eq!(body["kind"], "convert");
        assert_eq!(body["input"]["kind"], "jpeg");
    }
}
