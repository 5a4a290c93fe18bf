//! A file of schedules: TOML, a table for each.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::client::body;
use crate::client::failure::Failure;

/// What a schedule has that does not say otherwise. Whether it is paused is nobody's affair who says nothing of it.
const DEFAULTS: [(&str, &str); 12] = [
    ("cron", "null"),
    ("every_ms", "null"),
    ("timezone", "\"UTC\""),
    ("dst", "\"cron\""),
    ("jitter_ms", "0"),
    ("starts_at", "null"),
    ("ends_at", "null"),
    ("overlap", "\"skip\""),
    ("catch_up", "\"latest\""),
    ("catch_up_max", "null"),
    ("managed_by", "null"),
    ("task", "null"),
];

/// The schedules of a file, each as the body that makes it.
#[derive(Debug)]
pub(super) struct File {
    /// Who keeps them, as the server is told.
    pub(super) managed_by: String,
    pub(super) schedules: BTreeMap<String, Map<String, Value>>,
}

impl File {
    /// The file at `path`, under its own name or another one.
    pub(super) fn read(path: &str, source: Option<&str>) -> Result<Self, Failure> {
        let name = Path::new(path).file_name().map_or_else(|| "standard-input".into(), |name| name.to_string_lossy());
        let name = if path == "-" { "standard-input".into() } else { name };
        Self::parse(&body::read(path)?, source.unwrap_or(&name))
    }

    fn parse(text: &str, source: &str) -> Result<Self, Failure> {
        let bad = |what: String| Failure::Usage(what);
        let table: toml::Table = text.parse().map_err(|error| bad(format!("that is no TOML: {error}")))?;
        if let Some(other) = table.keys().find(|name| *name != "schedules") {
            return Err(bad(format!("`{other}` is nothing here: a schedule is a table [schedules.NAME]")));
        }
        let managed_by = format!("file:{source}");
        let mut schedules = BTreeMap::new();
        let tables = table.get("schedules").map(toml::Value::as_table).unwrap_or_default();
        for (name, schedule) in tables.into_iter().flatten() {
            let Value::Object(mut body) = json_of(schedule) else {
                return Err(bad(format!("schedules.{name} is no table")));
            };
            if let Some(field) = ["name", "managed_by"].into_iter().find(|field| body.contains_key(*field)) {
                return Err(bad(format!("schedules.{name}: `{field}` follows from the file")));
            }
            body.insert("managed_by".to_owned(), managed_by.clone().into());
            schedules.insert(name.clone(), body);
        }
        Ok(Self { managed_by, schedules })
    }
}

/// A field that is to be otherwise.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) is: Value,
    pub(super) wanted: Value,
}

/// What is to be otherwise about a schedule, so that it is as a body says.
pub(super) fn differences(schedule: &Value, body: &Map<String, Value>) -> Vec<Difference> {
    let said = body.keys().map(String::as_str);
    let unsaid = DEFAULTS.iter().map(|(name, _)| *name).filter(|name| !body.contains_key(*name));
    let mut found = Vec::new();
    for field in said.chain(unsaid) {
        let is = schedule.get(field).cloned().unwrap_or_default();
        let wanted = body.get(field).cloned().unwrap_or_else(|| default(field, body));
        if !same(field, &is, &wanted) {
            found.push(Difference { field: field.to_owned(), is, wanted });
        }
    }
    found
}

fn default(field: &str, body: &Map<String, Value>) -> Value {
    if field == "catch_up_max" && body.get("catch_up").is_some_and(|word| word == "all") {
        return json!(100);
    }
    let default = DEFAULTS.iter().find(|(name, _)| *name == field);
    default.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn same(field: &str, is: &Value, wanted: &Value) -> bool {
    if field.ends_with("_at")
        && let (Some(is), Some(wanted)) = (is.as_str(), wanted.as_str())
    {
        return crate::client::text::instant(is) == crate::client::text::instant(wanted);
    }
    is == wanted
}

/// TOML has times; JSON has texts.
fn json_of(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(is) => (*is).into(),
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json_of).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.iter().map(|(name, value)| (name.clone(), json_of(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [schedules.nightly]
        cron = "0 3 * * *"
        timezone = "Europe/Paris"
        starts_at = 2026-01-01T00:00:00Z
        task = { kind = "echo", input = { text = "good night" } }

        [schedules."every-minute"]
        every_ms = 60_000
        catch_up = "all"
        [schedules."every-minute".task]
        kind = "echo"
        input = {}
    "#;

    #[test]
    fn a_file_is_bodies_by_name() {
        let file = File::parse(FILE, "a.toml").unwrap();
        assert_eq!(file.managed_by, "file:a.toml");
        assert_eq!(file.schedules.keys().collect::<Vec<_>>(), ["every-minute", "nightly"]);
        let nightly = json!({
            "cron": "0 3 * * *", "timezone": "Europe/Paris", "starts_at": "2026-01-01T00:00:00Z", "managed_by": "file:a.toml",
            "task": { "kind": "echo", "input": { "text": "good night" } },
        });
        assert_eq!(Value::Object(file.schedules["nightly"].clone()), nightly);
        for wrong in ["x = 1", "[schedules]\nx = 1", "[schedules.x]\nname = \"y\"", "["] {
            assert!(File::parse(wrong, "a.toml").is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_left_out_is_as_it_is_by_default_and_a_pause_stays() {
        let file = File::parse(FILE, "a.toml").unwrap();
        let mut view = json!({
            "name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Paris", "starts_at": "2026-01-01T00:00:00.000Z",
            "managed_by": "file:a.toml", "task": { "input": { "text": "good night" }, "kind": "echo" }, "dst": "cron", "jitter_ms": 0,
            "overlap": "skip", "catch_up": "latest", "enabled": false,
        });
        assert_eq!(differences(&view, &file.schedules["nightly"]), []);
        view["overlap"] = "allow".into();
        view["cron"] = "@daily".into();
        let found = differences(&view, &file.schedules["nightly"]);
        let fields: Vec<_> = found.iter().map(|found| found.field.as_str()).collect();
        assert_eq!(fields, ["cron", "overlap"]);
        assert_eq!(found[1], Difference { field: "overlap".into(), is: "allow".into(), wanted: "skip".into() });
        let all = json!({ "every_ms": 60000, "catch_up": "all", "catch_up_max": 100, "managed_by": "file:a.toml",
            "task": { "kind": "echo", "input": {} }, "timezone": "UTC", "dst": "cron", "jitter_ms": 0, "overlap": "skip" });
        assert_eq!(differences(&all, &file.schedules["every-minute"]), []);
    }
}
