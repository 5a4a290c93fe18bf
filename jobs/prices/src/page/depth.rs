//! How deep the tags of a page nest, before its tree is built: building takes time by the square of the depth.

/// Deeper pages are not read. Browsers stop at 512; tags that nobody closed count here, so there is more room.
pub(super) const MAX_DEPTH: usize = 4_096;

/// Elements without an end, and those whose end is left out as often as not.
const UNCOUNTED: [&str; 33] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "html", "head", "body", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "option",
    "optgroup", "rp", "rt", "path",
];
/// Elements whose content is text.
const TEXTS: [&str; 4] = ["script", "style", "textarea", "title"];

/// Whether the tags of a page nest deeper than [`MAX_DEPTH`].
pub(super) fn is_too_deep(page: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
            continue;
        }
        let (is_end, tag) = rest.strip_prefix('/').map_or((false, rest), |tag| (true, tag));
        let length = tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(tag.len());
        let name = tag[..length].to_ascii_lowercase();
        if name.is_empty() || UNCOUNTED.contains(&name.as_str()) {
            continue;
        }
        if is_end {
            depth = depth.saturating_sub(1);
            continue;
        }
        if TEXTS.contains(&name.as_str()) {
            rest = after_end(&rest[length..], &name);
            continue;
        }
        depth += 1;
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// What follows the end tag of an element whose content is text.
fn after_end<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return rest;
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nests_counts() {
        assert!(is_too_deep(&"<div>".repeat(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&"<div><br><p></div>".repeat(MAX_DEPTH * 2)));
        assert!(!is_too_deep(&format!("<script>'{}'</SCRIPT><!-- {0} -->", "<div>".repeat(MAX_DEPTH * 2))));
    }
}
