//! `longshore watch`: follows tasks until they are done.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures::future::join_all;

use super::connect::Connect;
use super::download::Download;
use super::exit::Exit;
use super::failure::Failure;
use super::follow::Follower;
use super::get::fetch;
use super::http::Http;
use super::interrupt::or_interrupt;
use super::report::Report;
use super::screen::Screen;
use super::span;
use super::task::Task;
use super::text::clean;

#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The tasks' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Print every event as one line of JSON: {"task", "event", "seq", "data"}
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    pub(super) connect: Connect,
}

/// How a command waits for tasks.
#[derive(Args, Debug)]
pub(super) struct Wait {
    /// Save the artifacts of tasks that succeed in this folder (one folder per task inside it
    /// when there are several tasks)
    #[arg(long, value_name = "DIR")]
    pub(super) download: Option<PathBuf>,

    /// How long to keep trying when the server goes away
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span::parse)]
    pub(super) patience: Duration,
}

/// Tasks being waited for.
pub(super) struct Vigil<'a> {
    pub(super) http: &'a Http,
    pub(super) screen: &'a Screen,
    pub(super) wait: &'a Wait,
    pub(super) json: bool,
    /// Whether the tasks' story is the command's result or only company for it.
    pub(super) on_out: bool,
    /// What a suggested command needs to reach the same server.
    pub(super) suffix: String,
}

/// How waiting ended.
pub(super) struct Outcome {
    pub(super) exit: Exit,
    /// The tasks that ended, as they ended.
    pub(super) ended: Vec<Task>,
}

impl Watch {
    pub(super) fn json(&self) -> bool {
        self.json
    }

    pub(super) async fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let http = Http::new(&self.connect, screen)?;
        let mut ids = self.ids.clone();
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let vigil = Vigil {
            http: &http,
            screen,
            wait: &self.wait,
            json: self.json,
            on_out: true,
            suffix: self.connect.suffix(),
        };
        let mut exit = Exit::Ok;
        let mut tasks = Vec::new();
        for id in &ids {
            match fetch(&http, id).await {
                Ok(task) => tasks.push(task),
                Err(failure) if ids.len() == 1 => return Err(failure),
                Err(failure) => exit = exit.max(vigil.complain(id, &failure)),
            }
        }
        let report = match self.json {
            true => Report::json(screen),
            false => Report::for_person(screen, &tasks, true),
        };
        Ok(exit.max(vigil.keep(&tasks, report).await?.exit))
    }
}

impl Vigil<'_> {
    /// Waits until all `tasks` have ended or Ctrl-C is pressed.
    pub(super) async fn keep(&self, tasks: &[Task], report: Report) -> Result<Outcome, Failure> {
        let report = RefCell::new(report);
        let is_saving = Cell::new(false);
        if let Some(outcome) = or_interrupt(self.follow_and_save(tasks, &report, &is_saving)).await {
            return outcome;
        }
        report.borrow().close();
        if is_saving.get() {
            self.screen.note("Stopped; the download was not finished.");
        } else {
            self.say_goodbye(tasks);
        }
        Ok(Outcome { exit: Exit::Interrupted, ended: Vec::new() })
    }

    async fn follow_and_save(
        &self,
        tasks: &[Task],
        report: &RefCell<Report>,
        is_saving: &Cell<bool>,
    ) -> Result<Outcome, Failure> {
        let results = join_all(tasks.iter().map(|task| self.one(task, report))).await;
        report.borrow().close();
        is_saving.set(true);
        let mut outcome = Outcome { exit: Exit::Ok, ended: Vec::new() };
        for (task, result) in tasks.iter().zip(results) {
            let exit = match result {
                Ok(ended) => {
                    let exit = ended.exit();
                    outcome.ended.push(ended);
                    exit
                }
                Err(failure) if tasks.len() == 1 => return Err(failure),
                Err(Failure::ReaderGone) => return Err(Failure::ReaderGone),
                Err(failure) => self.complain(task.id(), &failure),
            };
            outcome.exit = outcome.exit.max(exit);
        }
        self.download(&outcome.ended, tasks.len() > 1).await?;
        Ok(outcome)
    }

    async fn one(&self, task: &Task, report: &RefCell<Report>) -> Result<Task, Failure> {
        let follower = Follower::new(self.http, task, self.wait.patience);
        let ended = follower.run(|update| report.borrow_mut().update(task.id(), &update)).await?;
        report.borrow_mut().ended(&ended)?;
        Ok(ended)
    }

    async fn download(&self, ended: &[Task], many: bool) -> Result<(), Failure> {
        let Some(folder) = &self.wait.download else {
            return Ok(());
        };
        for task in ended.iter().filter(|task| task.exit() == Exit::Ok) {
            let folder = if many { folder.join(clean(task.id())) } else { folder.clone() };
            let on_out = self.on_out && !self.json;
            let download = Download { http: self.http, screen: self.screen, folder: &folder, on_out };
            download.all(task).await?;
        }
        Ok(())
    }

    fn complain(&self, id: &str, failure: &Failure) -> Exit {
        if self.json {
            failure.tell_json(self.screen);
        } else {
            self.screen.note(&format!("{}:", clean(id)));
            failure.tell(self.screen);
        }
        failure.exit()
    }

    fn say_goodbye(&self, tasks: &[Task]) {
        let ids: Vec<_> = tasks.iter().map(|task| clean(task.id())).collect();
        let (ids, suffix) = (ids.join(" "), &self.suffix);
        let (what, stop) = match tasks.len() {
            1 => ("the task goes on", "stop it"),
            _ => ("the tasks go on", "stop them"),
        };
        self.screen.note(&format!("Stopped watching; {what}."));
        self.screen.note(&format!("  longshore watch {ids}{suffix}   # look again"));
        self.screen.note(&format!("  longshore cancel {ids}{suffix}  # {stop}"));
    }
}
