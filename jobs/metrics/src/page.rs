//! The page that Prometheus reads: its text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

use std::fmt::Write as _;

use crate::{Counter, Gauge, Histogram};

/// The media type of a page.
pub const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// What sort of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts durations.
    Histogram,
}

/// The numbers of one name.
#[derive(Debug)]
pub struct Family<'a> {
    name: &'a str,
    text: &'a mut String,
}

/// Labels with their values.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// Begins the numbers of a name that is not on the page yet. Those that only grow end with `_total`.
    pub fn family<'a>(&'a mut self, name: &'a str, sort: Sort, help: &str) -> Family<'a> {
        let sort = match sort {
            Sort::Counter => "counter",
            Sort::Gauge => "gauge",
            Sort::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        put(&mut self.text, format_args!("# HELP {name} {help}\n# TYPE {name} {sort}\n"));
        Family { name, text: &mut self.text }
    }

    /// Writes a counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.family(name, Sort::Counter, help).count(&[], counter.get());
    }

    /// Writes a gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.family(name, Sort::Gauge, help).value(&[], gauge.get() as f64);
    }

    /// The page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Writes a number.
    pub fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.sample("", labels, None, format_args!("{value}"));
    }

    /// Writes a whole number.
    pub fn count(&mut self, labels: Labels<'_>, count: u64) {
        self.sample("", labels, None, format_args!("{count}"));
    }

    /// Writes a histogram.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let (below, count) = histogram.cumulative();
        for (bound, below) in below {
            self.sample("_bucket", labels, Some(&bound.to_string()), format_args!("{below}"));
        }
        self.sample("_bucket", labels, Some("+Inf"), format_args!("{count}"));
        self.sample("_sum", labels, None, format_args!("{}", histogram.sum()));
        self.sample("_count", labels, None, format_args!("{count}"));
    }

    fn sample(&mut self, suffix: &str, labels: Labels<'_>, below: Option<&str>, value: std::fmt::Arguments<'_>) {
        put(self.text, format_args!("{}{suffix}", self.name));
        let labels = labels.iter().copied().chain(below.map(|below| ("le", below)));
        let mut open = '{';
        for (name, value) in labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            put(self.text, format_args!("{open}{name}=\"{value}\""));
            open = ',';
        }
        let close = if open == ',' { "}" } else { "" };
        put(self.text, format_args!("{close} {value}\n"));
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_is_as_prometheus_reads_it() {
        let mut page = Page::default();
        page.family("a_total", Sort::Counter, "What\nit is.").count(&[("name", "x\"y\\z\n")], 3);
        let histogram = Histogram::new(&[0.5, 1.0]);
        histogram.observe(Duration::from_millis(750));
        page.family("b_seconds", Sort::Histogram, "How long.").histogram(&[("k", "v")], &histogram);
        page.gauge("c", "How many.", &Gauge::new());
        let expected = "# HELP a_total What\\nit is.\n# TYPE a_total counter\na_total{name=\"x\\\"y\\\\z\\n\"} 3\n\
            # HELP b_seconds How long.\n# TYPE b_seconds histogram\nb_seconds_bucket{k=\"v\",le=\"0.5\"} 0\n\
            b_seconds_bucket{k=\"v\",le=\"1\"} 1\nb_seconds_bucket{k=\"v\",le=\"+Inf\"} 1\n\
            b_seconds_sum{k=\"v\"} 0.75\nb_seconds_count{k=\"v\"} 1\n# HELP c How many.\n# TYPE c gauge\nc 0\n";
        assert_eq!(page.into_text(), expected);
    }
}
