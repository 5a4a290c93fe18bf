//! Tables for spreadsheets (RFC 4180), where a client prefers them to JSON.

use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    accept::liking,
    problem::{Code, Problem},
    query::Query,
};

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// How a client wants a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl Format {
    /// What the parameter `format` says, or else the header `Accept`.
    pub(super) fn of(query: &mut Query, headers: &HeaderMap) -> Result<Self, Problem> {
        match query.one("format").as_deref() {
            Some("csv") => return Ok(Self::Csv),
            Some("json") => return Ok(Self::Json),
            Some(_) => query.fault("format", "must be json or csv"),
            None => {}
        }
        match (liking(headers, JSON), liking(headers, CSV)) {
            (0, 0) => {
                Err(Problem::new(Code::NotAcceptable, "this operation answers with application/json or text/csv"))
            }
            (json, csv) if csv > json => Ok(Self::Csv),
            _ => Ok(Self::Json),
        }
    }

    /// An answer, of which `rows` are the table.
    pub(super) fn answer<T: Serialize, R: Serialize>(self, whole: &T, rows: &[R]) -> Response {
        match self {
            Self::Json => Json(whole).into_response(),
            Self::Csv => {
                ([(header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present")], table(rows)).into_response()
            }
        }
    }
}

/// A line for each row, below one of names. What is no text and no number is JSON.
fn table<R: Serialize>(rows: &[R]) -> String {
    let rows: Vec<Value> = rows.iter().filter_map(|row| serde_json::to_value(row).ok()).collect();
    let Some(names) = rows.first().and_then(Value::as_object).map(|row| row.keys().cloned().collect::<Vec<_>>()) else {
        return String::new();
    };
    let mut text = line(names.iter().map(|name| Value::from(name.as_str())));
    for row in &rows {
        text += &line(names.iter().map(|name| row.get(name).cloned().unwrap_or_default()));
    }
    text
}

fn line(cells: impl Iterator<Item = Value>) -> String {
    let cells: Vec<String> = cells.map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(value: Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    // A spreadsheet runs what begins like a formula; a quote in front makes it text again. Numbers stay numbers.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_are_no_formulas() {
        let rows = [json!({ "a": "x, \"y\"", "b": 1.5, "c": null }), json!({ "a": "=1+1", "b": "-2", "c": [1] })];
        assert_eq!(table(&rows), "a,b,c\r\n\"x, \"\"y\"\"\",1.5,\r\n'=1+1,-2,[1]\r\n");
        assert_eq!(table::<Value>(&[]), "");
    }
}
