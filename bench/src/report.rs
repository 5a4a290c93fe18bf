//! What a run has found: conditions, figures, ratios, and what failed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    conditions::Conditions,
    figure::{Figure, Rounded, short},
    ratio::{Aim, ROWS, Row},
    system::LONGSHORE,
    table::Table,
};

/// Everything that a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    conditions: Conditions,
    figures: Vec<Figure>,
    failures: Vec<Failure>,
}

/// A scenario that did not come to its end.
#[derive(Debug, Serialize)]
struct Failure {
    scenario: String,
    error: String,
}

/// A row of the table with its values.
#[derive(Debug, Serialize)]
struct Found<'a> {
    title: &'static str,
    ours: &'a Figure,
    theirs: Option<&'a Figure>,
    /// Ours divided by theirs.
    ratio: Option<f64>,
    aim: Option<String>,
    is_met: Option<bool>,
}

impl Report {
    /// A report of nothing yet.
    pub(crate) fn new(conditions: Conditions) -> Self {
        Self { conditions, figures: Vec::new(), failures: Vec::new() }
    }

    /// Adds what a scenario has found.
    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Adds a scenario that failed.
    pub(crate) fn fail(&mut self, scenario: String, error: &anyhow::Error) {
        self.failures.push(Failure { scenario, error: format!("{error:#}") });
    }

    /// Whether nothing failed. An aim that is not met is no failure: it is what the run is there to say.
    pub(crate) fn is_whole(&self) -> bool {
        self.failures.is_empty()
    }

    /// What is said before the first figure.
    pub(crate) fn header(&self) -> String {
        format!("{}\n", self.conditions)
    }

    /// The report as JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            report: &'a Report,
            rows: Vec<Found<'a>>,
        }
        serde_json::to_string_pretty(&Whole { report: self, rows: self.rows() })
    }

    /// The report for people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new(&["", "longshore", "against", "theirs", "ratio", "aim", ""]);
        for row in self.rows() {
            let theirs = row.theirs.map(|theirs| (theirs.system.to_owned(), theirs.unit.show(theirs.value)));
            let (whose, theirs) = theirs.unwrap_or_default();
            table.add(vec![
                row.title.to_owned(),
                row.ours.unit.show(row.ours.value),
                whose,
                theirs,
                row.ratio.map(|ratio| format!("{}x", Rounded(ratio))).unwrap_or_default(),
                row.aim.unwrap_or_default(),
                row.is_met.map(|is_met| if is_met { "ok" } else { "short" }).unwrap_or_default().to_owned(),
            ]);
        }
        let mut figures = Table::new(&["figure", "value"]);
        let mut details = Vec::new();
        for figure in &self.figures {
            figures.add(vec![format!("{} {}", figure.system, figure.name), figure.unit.show(figure.value)]);
            let more = figure.details.iter().map(|(name, value)| format!("{name} {value}"));
            details.push(more.collect::<Vec<_>>().join(", "));
        }
        let figures: Vec<String> = figures.show().lines().map(str::to_owned).collect();
        let mut text = format!("\n{}\n{}\n", table.show(), figures.first().cloned().unwrap_or_default());
        for (line, detail) in figures.iter().skip(1).zip(details) {
            let _ = writeln!(text, "{}", format!("{line}  {detail}").trim_end());
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\nFAILED {}: {}", failure.scenario, failure.error);
        }
        text
    }

    /// The rows that have all their figures.
    fn rows(&self) -> Vec<Found<'_>> {
        ROWS.iter().filter_map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Row) -> Option<Found<'_>> {
        let ours = self.find(LONGSHORE, row.ours)?;
        let theirs = match row.against {
            Some((system, name)) => Some(self.find(system, name)?),
            None => None,
        };
        let ratio = theirs.map(|theirs| ours.value / theirs.value);
        let (aim, unit) = match row.aim {
            Aim::AtLeast(aim) => (aim, ">="),
            Aim::AtMost(aim) => (aim, "<="),
            Aim::None => (f64::NAN, ""),
        };
        let shown = if ratio.is_some() { format!("{}x", Rounded(aim)) } else { ours.unit.show(aim) };
        Some(Found {
            title: row.title,
            ours,
            theirs,
            ratio: ratio.map(short),
            aim: (!aim.is_nan()).then(|| format!("{unit} {shown}")),
            is_met: row.aim.is_met(ratio.unwrap_or(ours.value)),
        })
    }

    fn find(&self, system: &str, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.system == system && figure.name == name)
    }
}
