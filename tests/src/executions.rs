//! The execution log: what workers themselves say they ran, read back from their logs.

use std::{collections::HashMap, path::Path};

use jobs_core::{TaskId, WorkerId};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What processes must log so that this can be read back.
pub(crate) const LOG_LEVEL: &str = "info,worker=debug,sqlx=warn,apalis_core=warn";

/// An attempt that ran.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its task.
    pub task: TaskId,
    /// Its fencing token.
    pub epoch: i32,
    /// The life of a worker that ran it.
    pub worker: WorkerId,
    /// When it began, by the clock of the worker.
    pub began: OffsetDateTime,
    /// When it ended and with which event; nothing when its worker died or gave it up.
    pub ended: Option<(OffsetDateTime, String)>,
}

/// Everything that the workers of a system ran.
#[derive(Debug, Clone, Default)]
pub struct Executions {
    /// The attempts, in the order of their beginning.
    pub all: Vec<Execution>,
    /// How many results were refused, because the attempt was not the worker's any more.
    pub fenced: usize,
    /// How many attempts a worker gave up by itself, because its lease had ended.
    pub abandoned: usize,
}

impl Executions {
    /// What the workers said whose logs are in `dir`, among those of others.
    ///
    /// # Panics
    /// When there is no such folder, or a line says something that makes no sense.
    #[must_use]
    pub fn read(dir: &Path) -> Self {
        let mut executions = Self::default();
        for entry in dir.read_dir().expect("the folder of the logs") {
            let path = entry.expect("an entry of the folder of the logs").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                executions.add(&std::fs::read(&path).expect("a log"));
            }
        }
        executions.all.sort_by_key(|execution| execution.began);
        executions
    }

    /// How many words of workers that were taken for dead had no effect.
    #[must_use]
    pub fn late_words(&self) -> usize {
        self.fenced + self.abandoned
    }

    /// Adds one log. A worker that is killed while it writes leaves a last line that is not whole.
    fn add(&mut self, log: &[u8]) {
        let mut running = HashMap::new();
        let lines = log.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for line in lines.filter(|line| line.starts_with(br#"{"role":"worker""#)) {
            let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
            match line["message"].as_str().unwrap_or_default() {
                "started" => {
                    let execution = started(&line).unwrap_or_else(|| panic!("no execution: {line}"));
                    let key = (execution.task, execution.epoch, execution.worker);
                    running.insert(key, self.all.len());
                    self.all.push(execution);
                }
                "ended" => {
                    let ended = started(&line).unwrap_or_else(|| panic!("no execution: {line}"));
                    let key = (ended.task, ended.epoch, ended.worker);
                    let place = running.remove(&key).unwrap_or_else(|| panic!("ended and not started: {line}"));
                    let event = line["event"].as_str().expect("an end has an event");
                    self.all[place].ended = Some((ended.began, event.to_owned()));
                }
                message if message.starts_with("fenced: ") => self.fenced += 1,
                message if message.starts_with("abandoned: ") => self.abandoned += 1,
                _ => {}
            }
        }
    }
}

/// The attempt that a line is about, as if it began with this line.
fn started(line: &Value) -> Option<Execution> {
    let span = &line["span"];
    Some(Execution {
        task: span["task.id"].as_str()?.parse().ok()?,
        epoch: i32::try_from(span["epoch"].as_i64()?).ok()?,
        worker: span["worker"].as_str()?.parse().ok()?,
        began: OffsetDateTime::parse(line["timestamp"].as_str()?, &Rfc3339).ok()?,
        ended: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, message: &str, more: &str) -> String {
        let (task, worker) = (TaskId(uuid::Uuid::from_u128(1)), WorkerId(uuid::Uuid::from_u128(2)));
        format!(
            r#"{{"role":"worker","timestamp":"2026-01-01T00:00:{at}Z","message":"{message}"{more},"span":{{"task.id":"{task}","epoch":3,"worker":"{worker}","name":"attempt"}}}}"#
        ) + "\n"
    }

    #[test]
    fn an_execution_is_read_with_its_end() {
        let mut executions = Executions::default();
        let log = line("01.5", "started", "") + &line("02", "ended", r#","event":"succeed""#);
        executions.add(log.as_bytes());

        let [execution] = executions.all.as_slice() else { panic!("{executions:?}") };
        assert_eq!((execution.epoch, execution.began.microsecond()), (3, 500_000));
        let (at, event) = execution.ended.as_ref().expect("an end");
        assert_eq!((at.second(), event.as_str()), (2, "succeed"));
    }

    #[test]
    fn a_line_that_was_cut_and_lines_of_others_are_passed_over() {
        let mut executions = Executions::default();
        let whole = line("01", "started", "");
        let cut = line("02", "ended", r#","event":"succeed""#);
        let log = format!("warning: not JSON\n{whole}{}", &cut[..cut.len() / 2]);
        executions.add(log.as_bytes());

        assert_eq!(executions.all.len(), 1);
        assert!(executions.all[0].ended.is_none());
    }

    #[test]
    fn late_words_are_counted() {
        let mut executions = Executions::default();
        let log =
            line("01", "abandoned: the lease has ended", "") + &line("01", "fenced: the attempt was not ours", "");
        executions.add(log.as_bytes());
        assert_eq!((executions.fenced, executions.abandoned, executions.late_words()), (1, 1, 2));
    }
}
