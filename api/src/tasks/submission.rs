//! A submission: what a client sends to make a task, and the task that it makes.

use std::{collections::HashSet, time::Duration};

use jobs_core::{
    Fault, NewTask, ProjectId, Registry, RetryPolicy, State, Task, TaskId,
    fault::pointer_to,
    kind::{AnyKind, CheckedInput},
    schema::{Schema, find_nul},
    task::{Coalesce, Idempotency, Start},
};
use jobs_store::{Artifact, transition::Submitted};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    app::App,
    clock::{NO_INSTANT, read_instant},
    problem::{Code, Problem},
};

/// Without another word a task shares its turn with all that say nothing either.
const GROUP: &str = "default";

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
    /// From 0 to 9; 9 goes first within its group. Its kind says so when left out: mostly 0.
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
    /// How long to wait between attempts; its kind says so where something is left out.
    // Not "this or null" for the schema: faults of a choice do not say which field is wrong.
    #[serde(default)]
    #[schemars(with = "RetryPolicy")]
    pub(crate) retry: Option<RetryOptions>,
    /// The group that shares its turn: groups are served in turns. `default` when left out.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,100}$"))]
    pub(crate) group: Option<String>,
    /// The tasks that have to succeed before it may start: ids of tasks, 100 at most. In a batch `#0` is the first task of the batch, and so
    /// on, for tasks behind that one.
    #[expect(dead_code, reason = "read where its faults are found")]
    #[schemars(length(max = 100), inner(regex(pattern = r"^(task_[0-9a-f]{32}|#[0-9]{1,3})$")), extend("uniqueItems" = true))]
    pub(crate) depends_on: Option<Vec<String>>,
    /// Take the task that is there already for the same work, if there is one that has not ended; not in a batch.
    #[serde(default)]
    #[schemars(with = "CoalesceOptions")]
    pub(crate) coalesce: Option<CoalesceOptions>,
    /// Words to find it by.
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub(crate) tags: Option<Vec<String>>,
    /// Facts of your own: 16 pairs at most, with keys of up to 64 and texts of up to 512 characters. A list can be filtered by them.
    #[schemars(extend(
        "maxProperties" = 16,
        "propertyNames" = json!({ "minLength": 1, "maxLength": 64 }),
        "additionalProperties" = json!({ "type": "string", "maxLength": 512 })
    ))]
    pub(crate) metadata: Option<Map<String, Value>>,
}

/// How long to wait between attempts, as far as a client says it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryOptions {
    initial_ms: Option<u32>,
    factor: Option<f64>,
    max_ms: Option<u32>,
    jitter: Option<bool>,
}

impl RetryOptions {
    /// The policy, with what is left out as it is in another.
    fn over(self, other: RetryPolicy) -> RetryPolicy {
        RetryPolicy {
            initial_ms: self.initial_ms.unwrap_or(other.initial_ms),
            factor: self.factor.unwrap_or(other.factor),
            max_ms: self.max_ms.unwrap_or(other.max_ms),
            jitter: self.jitter.unwrap_or(other.jitter),
        }
    }
}

/// Which tasks are the same work.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Coalesce")]
pub(crate) struct CoalesceOptions {
    /// Tasks of one kind with the same key are the same work, whatever else they ask for. Without it those are that have the same
    /// kind, queue and input.
    #[schemars(length(min = 1, max = 255))]
    key: Option<String>,
    /// Takes a task that has succeeded, too, if it ended no longer ago than this.
    #[schemars(range(min = 1, max = 31_536_000_000_u64))]
    max_age_ms: Option<u64>,
}

impl CoalesceOptions {
    /// What makes a task of this kind, in this queue and with this input the same work as another.
    fn of(self, kind: &str, queue: &str, input: &str) -> Coalesce {
        let key = self.key.map_or_else(
            || {
                let mut digest = Sha256::new();
                for part in [kind, queue, input] {
                    digest.update((part.len() as u64).to_be_bytes());
                    digest.update(part);
                }
                format!("sha256:{}", hex::encode(digest.finalize()))
            },
            |key| format!("key:{kind}:{key}"),
        );
        Coalesce { key, max_age: self.max_age_ms.map(Duration::from_millis) }
    }
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
        let depends_on = dependencies(&body, &mut faults);
        if is_given(&body, "run_at") && is_given(&body, "delay_ms") {
            faults.push(Fault::new("/delay_ms", "cannot be given together with run_at"));
        }
        let (Some(kind), Some(CheckedInput { json, timeout }), true) = (kind, checked, faults.is_empty()) else {
            faults.sort();
            faults.dedup();
            return Err(Problem::invalid(faults));
        };
        let asked: Self =
            serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))?;
        let spec = kind.spec();
        let defaults = registry.defaults(spec);
        let queue = asked.queue.unwrap_or(defaults.queue);
        let coalesce = asked.coalesce.map(|coalesce| coalesce.of(spec.name, &queue, json.get()));
        Ok(NewTask {
            id: TaskId::new(),
            project,
            kind: spec.name.to_owned(),
            queue,
            group: asked.group.unwrap_or_else(|| GROUP.to_owned()),
            priority: asked.priority.unwrap_or(defaults.priority),
            input: json,
            max_attempts: asked.max_attempts.unwrap_or(defaults.max_attempts),
            retry: asked.retry.map_or(defaults.retry, |retry| retry.over(defaults.retry)),
            timeout: asked.timeout_ms.map_or(defaults.timeout.unwrap_or(timeout), Duration::from_millis),
            start: run_at.map(Start::At).or(asked.delay_ms.map(|ms| Start::After(Duration::from_millis(ms)))),
            deadline,
            tags: asked.tags.unwrap_or_default(),
            metadata: asked.metadata.unwrap_or_default(),
            request_id: Some(request_id.to_owned()),
            idempotency,
            depends_on,
            coalesce,
            replayed_from: None,
            head: None,
        })
    }

    /// A task of a kind, with everything else as the kind has it.
    pub(crate) fn plain(
        registry: &Registry,
        kind: &dyn AnyKind,
        input: CheckedInput,
        project: ProjectId,
        request_id: &str,
        idempotency: Option<Idempotency>,
    ) -> NewTask {
        let spec = kind.spec();
        let defaults = registry.defaults(spec);
        NewTask {
            project,
            queue: defaults.queue,
            priority: defaults.priority,
            max_attempts: defaults.max_attempts,
            retry: defaults.retry,
            timeout: defaults.timeout.unwrap_or(input.timeout),
            request_id: Some(request_id.to_owned()),
            idempotency,
            ..NewTask::plain(spec.name, input.json)
        }
    }
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

fn kind_of<'a>(body: &Value, registry: &'a Registry, faults: &mut Vec<Fault>) -> Option<&'a dyn AnyKind> {
    let name = body.get("kind")?.as_str()?;
    let kind = registry.get(name);
    if kind.is_none() {
        let known: Vec<_> = registry.iter().map(|kind| kind.spec().name).collect();
        faults.push(Fault::new("/kind", format!("unknown kind; known are {}", known.join(", "))));
    }
    kind.map(|kind| &**kind)
}

/// The tasks that it waits for. Those of the same batch have their ids here.
fn dependencies(body: &Value, faults: &mut Vec<Fault>) -> Vec<TaskId> {
    let asked = body.get("depends_on").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut ids = Vec::new();
    for (n, text) in asked.enumerate() {
        match text.parse() {
            Ok(id) => ids.push(id),
            // Anything else is a fault that the schema found.
            Err(_) if text.starts_with('#') => {
                let detail = "names no earlier task of the same batch";
                faults.push(Fault::new(format!("/depends_on/{n}"), detail));
            }
            Err(_) => {}
        }
    }
    ids
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
    // As if it were left out, like every other field.
    fields.retain(|name, value| name != "coalesce" || !value.is_null());
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("priority" | "delay_ms" | "timeout_ms" | "max_attempts", value) => whole(value),
            ("retry", retry @ Value::Null) => *retry = Value::Object(Map::new()),
            ("coalesce", Value::Object(coalesce)) => coalesce.values_mut().for_each(whole),
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
