//! A submission: what a client sends to make a task, and the task that it makes.

use std::time::Duration;

use jobs_core::{
    Fault, NewTask, ProjectId, Registry, RetryPolicy, State, Task, TaskId,
    fault::pointer_to,
    kind::{AnyKind, CheckedInput},
    schema::{Schema, find_nul},
    task::{Idempotency, Start},
};
use jobs_store::{Artifact, transition::Submitted};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    app::App,
    clock::{NO_INSTANT, read_instant},
    problem::{Code, Problem},
};

/// Without another word a task shares its turn with all that say nothing either.
const GROUP: &str = "default";
const PRIORITY: u8 = 0;
/// All of `metadata`, as JSON.
const METADATA_BYTES: usize = 16 * 1024;

/// A task to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTask {
    /// Which kind of job it is: one of `GET /kinds`.
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) kind: String,
    /// What it works on; each kind has its own schema.
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) input: Value,
    /// Which queue it waits in; that of its kind when left out.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,100}$"))]
    pub(crate) queue: Option<String>,
    /// From 0, the default, to 9; 9 goes first within its group.
    #[schemars(range(min = 0, max = 9))]
    pub(crate) priority: Option<u8>,
    /// It starts no sooner than this.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) run_at: Option<String>,
    /// It starts no sooner than this long after its submission. Not together with `run_at`.
    #[schemars(range(min = 0, max = 31_536_000_000_u64))]
    pub(crate) delay_ms: Option<u64>,
    /// It expires if it has not started by then.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    pub(crate) deadline: Option<String>,
    /// How long an attempt may run; its kind says so when left out.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(crate) timeout_ms: Option<u64>,
    /// How many attempts may fail before the task does; its kind says so when left out.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_attempts: Option<u32>,
    /// How long to wait between attempts.
    // Not "this or null" for the schema: faults of a choice do not say which field is wrong.
    #[serde(default)]
    #[schemars(with = "RetryPolicy")]
    pub(crate) retry: Option<RetryPolicy>,
    /// The group that shares its turn: groups are served in turns. `default` when left out.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,100}$"))]
    pub(crate) group: Option<String>,
    /// Words to find it by.
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub(crate) tags: Option<Vec<String>>,
    /// Facts of your own, up to 16 KiB as JSON. A list can be filtered by those that are text.
    #[schemars(extend("maxProperties" = 50))]
    pub(crate) metadata: Option<Map<String, Value>>,
}

impl CreateTask {
    /// The task that `body` asks for, or everything that is wrong with it.
    pub(crate) fn read(
        mut body: Value,
        envelope: &Schema,
        registry: &Registry,
        project: ProjectId,
        request_id: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<NewTask, Problem> {
        plain_numbers(&mut body);
        let mut faults = envelope.check(&body);
        let kind = kind_of(&body, registry, &mut faults);
        let checked = kind.zip(body.get("input")).and_then(|(kind, input)| {
            let found = kind.check(input.clone());
            found.map_err(|wrong| faults.extend(wrong.into_iter().map(|fault| fault.under("/input")))).ok()
        });
        faults.extend(find_nul(&body).map(|at| Fault::new(at, "must not contain U+0000")));
        let run_at = instant(&body, "run_at", &mut faults);
        let deadline = instant(&body, "deadline", &mut faults);
        if is_given(&body, "run_at") && is_given(&body, "delay_ms") {
            faults.push(Fault::new("/delay_ms", "cannot be given together with run_at"));
        }
        if body.get("metadata").is_some_and(|metadata| metadata.to_string().len() > METADATA_BYTES) {
            faults.push(Fault::new("/metadata", format!("is larger than {METADATA_BYTES} bytes")));
        }
        let (Some(kind), Some(CheckedInput { json, timeout }), true) = (kind, checked, faults.is_empty()) else {
            faults.sort();
            faults.dedup();
            return Err(Problem::invalid(faults));
        };
        let asked: Self =
            serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))?;
        let spec = kind.spec();
        Ok(NewTask {
            id: TaskId::new(),
            project,
            kind: spec.name.to_owned(),
            queue: asked.queue.unwrap_or_else(|| spec.queue.to_owned()),
            group: asked.group.unwrap_or_else(|| GROUP.to_owned()),
            priority: asked.priority.unwrap_or(PRIORITY),
            input: json,
            max_attempts: asked.max_attempts.unwrap_or(spec.max_attempts),
            retry: asked.retry.unwrap_or_default(),
            timeout: asked.timeout_ms.map_or(timeout, Duration::from_millis),
            start: run_at.map(Start::At).or(asked.delay_ms.map(|ms| Start::After(Duration::from_millis(ms)))),
            deadline,
            tags: asked.tags.unwrap_or_default(),
            metadata: asked.metadata.unwrap_or_default(),
            request_id: Some(request_id.to_owned()),
            idempotency,
            head: None,
        })
    }

    /// A task of a kind, with everything else as the kind has it.
    pub(crate) fn plain(
        kind: &dyn AnyKind,
        input: CheckedInput,
        project: ProjectId,
        request_id: &str,
        idempotency: Option<Idempotency>,
    ) -> NewTask {
        let spec = kind.spec();
        NewTask {
            id: TaskId::new(),
            project,
            kind: spec.name.to_owned(),
            queue: spec.queue.to_owned(),
            group: GROUP.to_owned(),
            priority: PRIORITY,
            input: input.json,
            max_attempts: spec.max_attempts,
            retry: RetryPolicy::default(),
            timeout: input.timeout,
            start: None,
            deadline: None,
            tags: Vec::new(),
            metadata: Map::new(),
            request_id: Some(request_id.to_owned()),
            idempotency,
            head: None,
        }
    }
}

/// A task that was accepted, now or by an earlier request under the same key.
pub(crate) struct Accepted {
    pub(crate) task: Task,
    pub(crate) is_replay: bool,
}

/// Accepts a task: it is committed when this returns.
pub(crate) async fn accept(app: &App, task: NewTask) -> Result<Accepted, Problem> {
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
            Ok(Accepted { task: *task, is_replay: false })
        }
        Submitted::Replayed(task) => Ok(Accepted { task: *task, is_replay: true }),
        Submitted::KeyTaken => {
            Err(Problem::new(Code::KeyReused, "another request came before under this Idempotency-Key"))
        }
        Submitted::Forgotten => {
            let detail = "the task of this Idempotency-Key has just been removed; nothing was accepted";
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

fn kind_of<'a>(body: &Value, registry: &'a Registry, faults: &mut Vec<Fault>) -> Option<&'a dyn AnyKind> {
    let name = body.get("kind")?.as_str()?;
    let kind = registry.get(name);
    if kind.is_none() {
        let known: Vec<_> = registry.iter().map(|kind| kind.spec().name).collect();
        faults.push(Fault::new("/kind", format!("unknown kind; known are {}", known.join(", "))));
    }
    kind.map(|kind| &**kind)
}

fn is_given(body: &Value, name: &str) -> bool {
    body.get(name).is_some_and(|value| !value.is_null())
}

fn instant(body: &Value, name: &str, faults: &mut Vec<Fault>) -> Option<OffsetDateTime> {
    // Another type than text is a fault that the schema found.
    let text = body.get(name)?.as_str()?;
    let instant = read_instant(text);
    if instant.is_none() {
        faults.push(Fault::new(pointer_to("", name), NO_INSTANT));
    }
    instant
}

/// JSON knows one sort of number, so that `3.0` is a whole one; types are stricter. The input is its kind's affair.
fn plain_numbers(body: &mut Value) {
    let Some(fields) = body.as_object_mut() else { return };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("priority" | "delay_ms" | "timeout_ms" | "max_attempts", value) => whole(value),
            ("retry", retry @ Value::Null) => *retry = Value::Object(Map::new()),
            ("retry", Value::Object(retry)) => {
                retry.iter_mut().filter(|field| field.0 != "factor").for_each(|field| whole(field.1));
            }
            _ => {}
        }
    }
}

fn whole(value: &mut Value) {
    // Beyond this a double does not know its neighbours, and no field goes there.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_f64()
        && value.is_f64()
        && number.fract() == 0.0
        && number.abs() < EXACT
    {
        // Whole and within the range, so nothing is lost.
        *value = (number as i64).into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<NewTask, Problem> {
        CreateTask::read(body, &Schema::of::<CreateTask>(), &jobs_kinds::registry(), ProjectId::DEFAULT, "req_1", None)
    }

    fn pointers(body: Value) -> Vec<String> {
        let problem = read(body).expect_err("it has faults");
        problem.errors.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn all_faults_are_named_those_of_the_input_too() {
        let body = json!({
            "kind": "video.generate", "input": { "title": "x", "tone": "odd", "colour": "red" }, "priority": 10,
            "run_at": "tomorrow", "delay_ms": 5, "colour": "red", "tags": ["", "ok"], "group": "a b",
            "metadata": { "a\0": 1 }, "retry": { "factor": 0, "tries": 3 },
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
    fn what_is_left_out_is_filled_in() {
        let input = jobs_kinds::registry().get("echo").unwrap().spec().example.clone();
        let bare = read(json!({ "kind": "echo", "input": input, "tags": null, "retry": null })).unwrap();
        assert_eq!((bare.group.as_str(), bare.priority, bare.tags.len()), ("default", 0, 0));
        assert_eq!((bare.start, bare.deadline), (None, None));

        let full = json!({
            "kind": "echo", "input": input, "priority": 9.0, "delay_ms": 5, "timeout_ms": 1000, "max_attempts": 1,
            "retry": { "initial_ms": 10.0 }, "group": "g", "queue": "q", "deadline": "2030-01-01T00:00:00+02:00",
        });
        let full = read(full).unwrap();
        assert_eq!((full.priority, full.start), (9, Some(Start::After(Duration::from_millis(5)))));
        assert_eq!((full.retry.initial_ms, full.retry.factor), (10, 2.0));
        assert_eq!((full.group.as_str(), full.queue.as_str(), full.max_attempts), ("g", "q", 1));
    }
}
