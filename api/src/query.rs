//! The query of a request: every parameter is known, read once, and all faults are said at once.

use jobs_core::{
    Fault,
    instant::{NO_INSTANT, read_instant},
};
use time::OffsetDateTime;
use url::form_urlencoded;

use crate::problem::Problem;

/// A query while it is read.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Query {
    /// The parameters of a query. A name of `known` that ends with a dot stands for all that begin with it.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let pairs: Vec<_> = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let fits = |name: &str, known: &str| match known.ends_with('.') {
            true => name.len() > known.len() && name.starts_with(known),
            false => name == known,
        };
        let mut faults = Vec::new();
        for (name, value) in &pairs {
            if !known.iter().any(|known| fits(name, known)) {
                faults.push(fault(name, format!("unknown parameter; known are {}", known.join(", "))));
            } else if name.contains('\0') || value.contains('\0') {
                faults.push(fault(name, "must not contain U+0000"));
            }
        }
        Self { pairs, faults }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The names behind `prefix` and their values.
    pub(crate) fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The value of a parameter that is given once.
    pub(crate) fn one(&mut self, name: &str) -> Option<String> {
        let values: Vec<_> = self.all(name).map(str::to_owned).collect();
        if values.len() > 1 {
            self.fault(name, "given more than once");
        }
        values.into_iter().next()
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn number(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let text = self.one(name)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
        let number = text.parse().ok().filter(|number| is_plain && (least..=most).contains(number));
        if number.is_none() {
            self.fault(name, format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    /// A point in time.
    pub(crate) fn instant(&mut self, name: &str) -> Option<OffsetDateTime> {
        // A plus sign that was not escaped reads as a space.
        let text = self.one(name)?.replace(' ', "+");
        let instant = read_instant(&text);
        if instant.is_none() {
            self.fault(name, NO_INSTANT);
        }
        instant
    }

    /// Notes that something is wrong with a parameter.
    pub(crate) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(fault(name, detail));
    }

    /// The query with another value of one parameter.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let others = self.pairs.iter().filter(|pair| pair.0 != name);
        form_urlencoded::Serializer::new(String::new()).extend_pairs(others).append_pair(name, value).finish()
    }

    /// Ends the reading: the query, if nothing was wrong with it.
    pub(crate) fn finish(self) -> Result<Self, Problem> {
        if self.faults.is_empty() { Ok(self) } else { Err(Problem::invalid(self.faults)) }
    }
}

fn fault(name: &str, detail: impl Into<String>) -> Fault {
    Fault::new(format!("?{name}"), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_a_query_are_named() {
        let known = ["limit", "after", "metadata."];
        let mut query = Query::read(Some("limit=0&colour=red&after=soon&metadata.a=1&metadata.=x&limit=2"), &known);
        assert_eq!(query.under("metadata.").next(), Some(("a", "1")));
        query.number("limit", 1, 100);
        query.instant("after");
        let Err(problem) = query.finish() else { panic!("it has faults") };
        let pointers: Vec<_> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["?colour", "?metadata.", "?limit", "?limit", "?after"]);
    }

    #[test]
    fn what_is_right_is_read() {
        let mut query = Query::read(Some("limit=20&at=2026-01-31T12:00:00%2B01:00&x=a%00"), &["limit", "at"]);
        assert_eq!(query.number("limit", 1, 100), Some(20));
        assert_eq!(query.instant("at").map(OffsetDateTime::unix_timestamp), Some(1_769_857_200));
        assert_eq!(query.with("limit", "3"), "at=2026-01-31T12%3A00%3A00%2B01%3A00&x=a%00&limit=3");
        let mut query = Query::read(Some("at=9999-12-31T23:59:59-01:00"), &["at"]);
        assert_eq!(query.instant("at"), None);
        assert_eq!(query.finish().err().map(|problem| problem.errors[0].pointer.clone()).as_deref(), Some("?at"));
        for bad in ["limit=+5", "limit=", "limit=5.0", "limit=99999999999999999999"] {
            let mut query = Query::read(Some(bad), &["limit"]);
            assert_eq!(query.number("limit", 1, 100), None, "{bad}");
        }
    }
}
