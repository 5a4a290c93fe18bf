//! Submissions on their way in: read, accepted, answered.

use std::collections::HashSet;

use jobs_core::{Fault, NewTask, ProjectId, State, Task, TaskId, task::Idempotency};
use jobs_store::{Artifact, transition::Submitted};
use serde_json::Value;

use crate::{
    app::App,
    problem::{Code, Problem},
};

pub(crate) use jobs_core::submission::CreateTask;

/// The task that `body` asks for, or everything that is wrong with it.
pub(crate) fn read(
    app: &App,
    body: Value,
    project: ProjectId,
    request_id: &str,
    idempotency: Option<Idempotency>,
) -> Result<NewTask, Problem> {
    let found = app.receivers.faults_of_task(&body);
    let task = match CreateTask::read(body, &app.envelope, &app.registry, project) {
        Ok(task) if found.is_empty() => task,
        read => {
            let mut faults = read.err().unwrap_or_default();
            faults.extend(found);
            faults.sort();
            faults.dedup();
            return Err(Problem::invalid(faults));
        }
    };
    let webhook = task.webhook.map(|webhook| app.receivers.seal(webhook));
    Ok(NewTask { request_id: Some(request_id.to_owned()), idempotency, webhook, ..task })
}

/// A task that was accepted, now or by an earlier request.
pub(crate) struct Accepted {
    pub(crate) task: Task,
    /// The earlier request came under the same key.
    pub(crate) is_replay: bool,
    /// The earlier request was for the same work.
    pub(crate) is_joined: bool,
}

/// Accepts a task: it is committed when this returns.
pub(crate) async fn accept(app: &App, task: NewTask) -> Result<Accepted, Problem> {
    if !task.depends_on.is_empty() {
        let faults = unknown_dependencies(app, &[&task]).await?.pop().unwrap_or_default();
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
    }
    read_answer(app.submitter.submit(task).await?)
}

/// Accepts tasks, all or none of them: they are committed when this returns.
pub(crate) async fn accept_all(app: &App, tasks: Vec<NewTask>) -> Result<Vec<Accepted>, Problem> {
    app.submitter.submit_all(tasks).await?.into_iter().map(read_answer).collect()
}

fn read_answer(submitted: Submitted) -> Result<Accepted, Problem> {
    match submitted {
        Submitted::Accepted(task) => {
            tracing::debug!(task.id = %task.id, task.kind = task.kind, "accepted {} {}", task.kind, task.id);
            Ok(Accepted { task: *task, is_replay: false, is_joined: false })
        }
        Submitted::Replayed(task) => Ok(Accepted { task: *task, is_replay: true, is_joined: false }),
        Submitted::Joined(task) => Ok(Accepted { task: *task, is_replay: false, is_joined: true }),
        Submitted::Removed => {
            Err(Problem::new(Code::Gone, "the task of this Idempotency-Key has been removed; nothing was accepted"))
        }
        Submitted::KeyTaken => {
            Err(Problem::new(Code::KeyReused, "another request came before under this Idempotency-Key"))
        }
        Submitted::Forgotten => {
            let detail =
                "what the task depends on, or shares its key with, has just been removed; nothing was accepted";
            Err(Problem::new(Code::Unavailable, detail).retry_after(1))
        }
    }
}

/// The artifacts of a task that is accepted: none as long as they cannot be read, for that does not take it back.
pub(crate) async fn artifacts(app: &App, task: &Task) -> Vec<Artifact> {
    if task.state != State::Succeeded {
        return Vec::new();
    }
    app.store.artifacts(task.project, task.id).await.unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, task.id = %task.id, "answered without its artifacts: they could not be read");
        Vec::new()
    })
}

/// What is wrong with the tasks that each of `tasks` waits for, all others of `tasks` aside: those that do not exist.
pub(crate) async fn unknown_dependencies(app: &App, tasks: &[&NewTask]) -> Result<Vec<Vec<Fault>>, Problem> {
    let Some(project) = tasks.first().map(|task| task.project) else { return Ok(Vec::new()) };
    let own: HashSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    let is_other = |id: &&TaskId| !own.contains(*id);
    let mut asked: Vec<TaskId> =
        tasks.iter().flat_map(|task| task.depends_on.iter().filter(is_other)).copied().collect();
    asked.sort_unstable();
    asked.dedup();
    let known = if asked.is_empty() { HashSet::new() } else { app.store.existing(project, &asked).await? };
    let faults = |task: &&NewTask| {
        let unknown = task.depends_on.iter().enumerate().filter(|(_, id)| is_other(id) && !known.contains(*id));
        unknown.map(|(n, _)| Fault::new(format!("/depends_on/{n}"), "there is no such task")).collect()
    };
    Ok(tasks.iter().map(faults).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobs_core::{schema::Schema, task::Start};
    use serde_json::{Map, json};

    use super::*;

    fn read(body: Value) -> Result<NewTask, Vec<Fault>> {
        CreateTask::read(body, &Schema::of::<CreateTask>(), &jobs_kinds::registry(), ProjectId::DEFAULT)
    }

    fn pointers(body: Value) -> Vec<String> {
        let faults = read(body).expect_err("it has faults");
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn all_faults_are_named_those_of_the_input_too() {
        let body = json!({
            "kind": "video.generate", "input": { "title": "x", "tone": "odd", "colour": "red" }, "priority": 10,
            "run_at": "tomorrow", "delay_ms": 5, "colour": "red", "tags": ["", "ok"], "group": "a b",
            "metadata": { "a\0": "1" }, "retry": { "factor": 0, "tries": 3 },
        });
        let wanted = [
            "/colour",
            "/delay_ms",
            "/group",
            "/input/colour",
            "/input/description",
            "/input/duration",
            "/input/style",
            "/input/title",
            "/input/tone",
            "/metadata",
            "/priority",
            "/retry/factor",
            "/retry/tries",
            "/run_at",
            "/tags/0",
        ];
        assert_eq!(pointers(body), wanted);
    }

    #[test]
    fn what_is_no_submission_at_all_is_refused_too() {
        for body in [json!(null), json!([]), json!("x"), json!(7)] {
            assert_eq!(pointers(body), [""]);
        }
        assert_eq!(pointers(json!({})), ["/input", "/kind"]);
        assert_eq!(pointers(json!({ "kind": "no.such", "input": {} })), ["/kind"]);
        assert_eq!(pointers(json!({ "kind": 7, "input": {} })), ["/kind"]);
    }

    #[test]
    fn times_that_cannot_be_stored_are_refused() {
        let input = jobs_kinds::registry().get("echo").unwrap().spec().example.clone();
        let late = "9999-12-31T23:59:59-01:00";
        assert_eq!(
            pointers(json!({ "kind": "echo", "input": input, "run_at": late, "deadline": late })),
            ["/deadline", "/run_at"]
        );
    }

    #[test]
    fn metadata_is_a_few_short_texts() {
        let input = jobs_kinds::registry().get("echo").unwrap().spec().example.clone();
        let with = |metadata: Value| pointers(json!({ "kind": "echo", "input": input, "metadata": metadata }));
        assert_eq!(with(json!({ "n": 1, "long": "x".repeat(513) })), ["/metadata/long", "/metadata/n"]);
        assert_eq!(with(json!({ "x".repeat(65): "v" })), ["/metadata"]);
        let many: Map<String, Value> = (0..17).map(|n| (n.to_string(), "v".into())).collect();
        assert_eq!(with(Value::Object(many)), ["/metadata"]);
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let input = jobs_kinds::registry().get("echo").unwrap().spec().example.clone();
        let bare =
            read(json!({ "kind": "echo", "input": input, "tags": null, "retry": null, "coalesce": null })).unwrap();
        assert_eq!((bare.group.as_str(), bare.priority, bare.tags.len()), ("default", 0, 0));
        assert_eq!((bare.start, bare.deadline), (None, None));

        let full = json!({
            "kind": "echo", "input": input, "coalesce": { "max_age_ms": 1.0e3 }, "priority": 9.0, "delay_ms": 5, "timeout_ms": 1000, "max_attempts": 1,
            "retry": { "initial_ms": 10.0 }, "group": "g", "queue": "q", "deadline": "2030-01-01T00:00:00+02:00",
        });
        let full = read(full).unwrap();
        assert_eq!((full.priority, full.start), (9, Some(Start::After(Duration::from_millis(5)))));
        assert_eq!((full.retry.initial_ms, full.retry.factor), (10, 2.0));
        assert_eq!(full.coalesce.and_then(|coalesce| coalesce.max_age), Some(Duration::from_secs(1)));
        assert_eq!((full.group.as_str(), full.queue.as_str(), full.max_attempts), ("g", "q", 1));
    }
}
