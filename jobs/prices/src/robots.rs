//! robots.txt, as RFC 9309 has it: what a crawler may fetch, and how slowly it should.
//!
//! Deliberately absent: fetching and keeping it. What an answer without a file means is said by [`Robots::of_status`].

use std::time::Duration;

/// More of a file is not read. The RFC asks for at least 500 KiB.
pub const MAX_SIZE_BYTES: usize = 1 << 20;

/// What this path is, whatever the rules say.
const ITSELF: &str = "/robots.txt";

/// The rules of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Robots {
    groups: Vec<Group>,
    /// The addresses of sitemaps, as they are written.
    pub sitemaps: Vec<String>,
    /// Nothing may be fetched: the file was not to be had.
    closed: bool,
}

/// Rules for the crawlers that are named together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Group {
    /// Product tokens in small letters; `*` is everybody.
    agents: Vec<String>,
    rules: Vec<Rule>,
    crawl_delay: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allows: bool,
    pattern: Pattern,
}

/// What a crawler may do with an address, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// It may be fetched.
    pub allowed: bool,
    /// The pattern that decided; `None` where none matches.
    pub rule: Option<String>,
}

impl Robots {
    /// Reads a file. What it does not know it skips, so every file has a meaning.
    #[must_use]
    pub fn parse(file: &[u8]) -> Self {
        let mut robots = Self::default();
        let mut is_naming = false;
        for line in lines(file) {
            let Some((key, value)) = entry(&line) else { continue };
            match key.as_str() {
                "user-agent" | "useragent" | "user agent" => {
                    if !is_naming {
                        robots.groups.push(Group::default());
                    }
                    is_naming = true;
                    if let Some(group) = robots.groups.last_mut() {
                        group.agents.extend(agent(value));
                    }
                }
                "allow" | "disallow" | "dissallow" | "dissalow" | "disalow" | "diasllow" | "disallaw" => {
                    is_naming = false;
                    let rule = Rule { allows: key == "allow", pattern: Pattern::of(value) };
                    // An empty rule is none. Rules before the first crawler are nobody's.
                    if let Some(group) = robots.groups.last_mut().filter(|_| !value.is_empty()) {
                        group.rules.push(rule);
                    }
                }
                "crawl-delay" => {
                    if let Some(group) = robots.groups.last_mut() {
                        group.crawl_delay = delay(value).or(group.crawl_delay);
                    }
                }
                "sitemap" => robots.sitemaps.push(value.to_owned()),
                _ => {}
            }
        }
        robots
    }

    /// What an answer other than 200 means: a client error that there are no rules, anything else that nothing may be
    /// fetched.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        Self { closed: !(400..500).contains(&status), ..Self::default() }
    }

    /// Whether a crawler may fetch an address. `agent` is its product token or the whole header; of the address, which is
    /// percent-encoded as it is sent, path and query count.
    #[must_use]
    pub fn verdict(&self, agent: &str, url: &str) -> Verdict {
        let path = path_and_query(url);
        if path == ITSELF {
            return Verdict { allowed: true, rule: None };
        }
        if self.closed {
            return Verdict { allowed: false, rule: None };
        }
        let rules = self.groups_of(agent).flat_map(|group| &group.rules).filter(|rule| rule.pattern.matches(&path));
        // The longest wins; among equals the one that allows.
        let decisive = rules.max_by_key(|rule| (rule.pattern.text.len(), rule.allows));
        let rule = decisive.map(|rule| rule.pattern.text.clone());
        Verdict { allowed: decisive.is_none_or(|rule| rule.allows), rule }
    }

    /// [`Robots::verdict`] in one word.
    #[must_use]
    pub fn allows(&self, agent: &str, url: &str) -> bool {
        self.verdict(agent, url).allowed
    }

    /// The pause between two requests that the host asks of a crawler.
    #[must_use]
    pub fn crawl_delay(&self, agent: &str) -> Option<Duration> {
        self.groups_of(agent).filter_map(|group| group.crawl_delay).max()
    }

    /// All groups that name the crawler; when none does, those for everybody.
    fn groups_of(&self, agent: &str) -> impl Iterator<Item = &Group> {
        let token = agent.split(['/', ' ', '\t', '(']).next().unwrap_or_default().to_ascii_lowercase();
        let named = |group: &Group, name: &str| group.agents.iter().any(|agent| agent == name);
        let is_known = !token.is_empty() && self.groups.iter().any(|group| named(group, &token));
        let name = if is_known { token } else { "*".to_owned() };
        self.groups.iter().filter(move |group| named(group, &name))
    }
}

/// A rule's path: `*` is anything, `$` at the end is the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// The pattern, percent-encoded. Its length says how special it is.
    text: String,
}

impl Pattern {
    /// What is no ASCII is encoded, and encoded bytes have capital letters, so that both ways to write a path are one.
    fn of(value: &str) -> Self {
        let mut text = String::with_capacity(value.len());
        let bytes = value.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let is_hex = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_hexdigit);
            let in_escape = at >= 1 && bytes[at - 1] == b'%' && is_hex(at + 1)
                || at >= 2 && bytes[at - 2] == b'%' && is_hex(at - 1);
            match byte {
                128.. => text.push_str(&format!("%{byte:02X}")),
                byte if in_escape => text.push(char::from(byte.to_ascii_uppercase())),
                byte => text.push(char::from(*byte)),
            }
        }
        Self { text }
    }

    /// Whether a path begins so. The pieces between stars are looked for from left to right, each once: linear time.
    fn matches(&self, path: &str) -> bool {
        let (pattern, to_end) = match self.text.strip_suffix('$') {
            Some(pattern) => (pattern, true),
            None => (self.text.as_str(), false),
        };
        let mut pieces = pattern.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return !to_end || rest.is_empty() };
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        if to_end { rest.ends_with(last) } else { rest.contains(last) }
    }
}

/// The lines of a file, without its byte order mark, also where half of that is missing.
fn lines(file: &[u8]) -> impl Iterator<Item = String> {
    let mark = [0xef, 0xbb, 0xbf].iter().zip(file).take_while(|(mark, byte)| mark == byte).count();
    let end = file.len().min(MAX_SIZE_BYTES);
    let lines = file[mark..end].split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.map(|line| String::from_utf8_lossy(line).into_owned())
}

/// The key in small letters and the value of a line.
fn entry(line: &str) -> Option<(String, &str)> {
    let line = line.split('#').next()?.trim();
    // "disallow /" without its colon is an often made mistake, and clear.
    let (key, value) = line.split_once(':').or_else(|| {
        let mut words = line.split_ascii_whitespace();
        let both = (words.next()?, words.next()?);
        words.next().is_none().then_some(both)
    })?;
    Some((key.trim().to_ascii_lowercase(), value.trim()))
}

/// The name of a crawler in a file: `*`, or a product token.
fn agent(value: &str) -> Option<String> {
    let is_everybody = value == "*" || value.starts_with("* ") || value.starts_with("*\t");
    let name = if is_everybody { "*" } else { token(value) };
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// The product token that a name begins with: letters, `-` and `_`.
fn token(name: &str) -> &str {
    let end = name.find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_'))).unwrap_or(name.len());
    &name[..end]
}

fn delay(value: &str) -> Option<Duration> {
    let seconds: f64 = value.parse().ok()?;
    // More than a day is no pause but a refusal in other words; it counts as one day.
    Duration::try_from_secs_f64(seconds.min(86_400.0)).ok()
}

/// Path and query of an address, without its fragment.
fn path_and_query(url: &str) -> String {
    let after_scheme = url.find("://").map_or(url.strip_prefix("//").unwrap_or(url), |at| &url[at + 3..]);
    let without_fragment = after_scheme.split('#').next().unwrap_or_default();
    let path = without_fragment.find(['/', '?', ';']).map_or("", |at| &without_fragment[at..]);
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(file: &str, url: &str) -> bool {
        Robots::parse(file.as_bytes()).allows("Longshore/1.0 (+https://example.com)", url)
    }

    #[test]
    fn the_longest_rule_decides_and_among_equals_the_one_that_allows() {
        let file = "User-agent: *\nDisallow: /shop\nAllow: /shop/open\nDisallow: /a*z$\nAllow: /a/*z$\nDisallow: /tie\nAllow: /tie";
        let allowed =
            ["/", "/shop/open/1", "/a/z", "/az/", "/tie"].map(|path| allows(file, &format!("https://shop.test{path}")));
        assert_eq!(allowed, [true; 5]);
        let refused = ["/shop", "/shop/closed", "/abcz", "/shop?page=1"]
            .map(|path| allows(file, &format!("https://shop.test{path}")));
        assert_eq!(refused, [false; 4]);
    }

    #[test]
    fn groups_of_one_name_are_one_and_everybodys_is_for_those_without() {
        let file = "User-agent: longshore\nDisallow: /a\n\nUser-agent: *\nDisallow: /\nCrawl-delay: 5\n\n\
            User-agent: Longshore/2\nDisallow: /b\nCrawl-delay: 1.5";
        let robots = Robots::parse(file.as_bytes());
        assert_eq!(["/a", "/b", "/c"].map(|path| robots.allows("Longshore", path)), [false, false, true]);
        assert!(!robots.allows("Other", "/c"));
        assert_eq!(robots.crawl_delay("longshore"), Some(Duration::from_millis(1_500)));
        assert_eq!(robots.crawl_delay("other"), Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_answer_without_a_file_opens_or_closes_the_host() {
        assert!(Robots::of_status(404).allows("Longshore", "/x"));
        assert!(!Robots::of_status(503).allows("Longshore", "/x"));
        assert!(Robots::of_status(503).allows("Longshore", "/robots.txt"));
    }

    #[test]
    fn a_pattern_of_many_stars_ends_in_time() {
        let file = format!("User-agent: *\nDisallow: /{}b$", "a*".repeat(2_000));
        assert!(allows(&file, &format!("/{}", "a".repeat(10_000))));
    }

    #[test]
    fn half_a_mebibyte_is_read() {
        let mut file = "User-agent: *\n".to_owned();
        while file.len() < 600 * 1024 {
            file.push_str("Disallow: /somewhere/else\n");
        }
        file.push_str("Disallow: /last\nSitemap: https://shop.test/map.xml");
        assert!(!allows(&file, "/last"));
        assert_eq!(Robots::parse(file.as_bytes()).sitemaps, ["https://shop.test/map.xml"]);
    }
}
