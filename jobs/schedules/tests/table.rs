//! The fires of five hundred expressions in eighteen zones, most around changes of clocks: `fires.tsv`.
//!
//! The file says what the law said when it was written; `compare.py` compares it with another implementation. A change of the law
//! shows here as a difference, and is a decision.

#![cfg(test)]

use jobs_schedules::Schedule;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fires.tsv");
const FIRES: usize = 6;

/// A line of the file, as the law has it: expression, zone, start, and the fires after it.
fn line(given: &str) -> Option<String> {
    let [expression, zone, start] = given.split('\t').take(3).collect::<Vec<_>>()[..] else { panic!("{given}") };
    let schedule = Schedule::cron(expression.parse().ok()?, zone.parse().unwrap());
    let fires = schedule.preview(OffsetDateTime::parse(start, &Rfc3339).unwrap(), FIRES);
    let fires: Vec<String> = fires.into_iter().map(|fire| fire.at.format(&Rfc3339).unwrap()).collect();
    Some(format!("{expression}\t{zone}\t{start}\t{}", fires.join(" ")))
}

#[test]
fn the_law_is_as_it_was() {
    let table = std::fs::read_to_string(FILE).unwrap();
    for given in table.lines() {
        assert_eq!(line(given).as_deref(), Some(given));
    }
    assert!(table.lines().count() >= 500);
}

/// `cargo nextest run -p jobs-schedules --run-ignored only -E 'test(writes_the_table)'` keeps the first three columns and writes the
/// fourth.
#[test]
#[ignore = "it writes what the other test reads"]
fn writes_the_table() {
    let table = std::fs::read_to_string(FILE).unwrap();
    let lines: Vec<String> = table.lines().filter_map(line).collect();
    std::fs::write(FILE, lines.join("\n") + "\n").unwrap();
}
