//! JSON inside of a page: in scripts of data, and in what scripts assign.

use std::sync::LazyLock;

use regex::Regex;
use scraper::{ElementRef, Html};

use crate::json::Json;

/// All scripts of a page.
pub(super) fn scripts(page: &Html) -> impl Iterator<Item = ElementRef<'_>> {
    page.root_element().descendent_elements().filter(|element| element.value().name() == "script")
}

/// The JSON of a script of data; some escape it as if it were markup.
pub(super) fn json_of(text: &str) -> Option<Json> {
    Json::parse_tolerant(text).ok().or_else(|| {
        let has_entities = text.contains("&quot;") || text.contains("&#34;") || text.contains("&#x22;");
        has_entities.then(|| Json::parse_tolerant(&unescape(text)).ok()).flatten()
    })
}

/// The state that a page brings for its own scripts: `<script type="application/json">`, and objects that are assigned
/// to a global name.
pub(super) fn states(page: &Html) -> Vec<Json> {
    let mut states = Vec::new();
    for script in scripts(page) {
        let kind = script.value().attr("type").unwrap_or_default().to_ascii_lowercase();
        let text: String = script.text().collect();
        if kind.contains("json") && !kind.contains("ld+json") {
            states.extend(json_of(&text));
        } else if kind.is_empty() || kind.contains("javascript") || kind == "module" {
            let Ok(assigned) = &*ASSIGNED else { continue };
            let found = assigned.find_iter(&text).take(20);
            states.extend(found.filter_map(|found| Json::parse_prefix(&text[found.end()..]).ok()));
        }
    }
    states
}

static ASSIGNED: LazyLock<Result<Regex, regex::Error>> =
    LazyLock::new(|| Regex::new(r#"(?:window|self|globalThis)(?:\.[\w$]+|\["[^"]+"\])\s*=\s*"#));

fn unescape(text: &str) -> String {
    [("&quot;", "\""), ("&#34;", "\""), ("&#x22;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
}
