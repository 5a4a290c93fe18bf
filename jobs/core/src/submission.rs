//! A submission: what a client sends to make a task, and the task that it makes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{
    Fault, NewTask, ProjectId, Registry, RetryPolicy, TaskId,
    fault::pointer_to,
    instant::{NO_INSTANT, read_instant},
    kind::{AnyKind, CheckedInput},
    schema::{Schema, find_nul, whole},
    task::{Coalesce, ENDED_EVENTS, Idempotency, Start, TaskWebhook},
};

/// Without another word a task shares its turn with all that say nothing either.
const GROUP: &str = "default";

/// A task to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTask {
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
    /// Who else is to be told of what happens to it, beside the endpoints of the project.
    #[serde(default)]
    #[schemars(with = "WebhookOptions")]
    pub(crate) webhook: Option<WebhookOptions>,
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

/// A receiver of a single task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TaskWebhook")]
pub(crate) struct WebhookOptions {
    /// Where it is told: an address of the Internet, `https` or `http`.
    #[schemars(length(min = 1, max = 2000), extend("format" = "uri"))]
    url: String,
    /// Of which events: types such as `task.succeeded`, or patterns such as `task.*`. How it ended when left out.
    #[serde(default)]
    #[schemars(with = "Vec<String>", length(min = 1, max = 20), inner(length(max = 100)))]
    events: Option<Vec<String>>,
    /// What requests are signed with: `whsec_` and the Base64 of 24 to 64 bytes. They are not signed when left out.
    #[serde(default)]
    #[schemars(with = "String", length(max = 100))]
    secret: Option<String>,
}

impl WebhookOptions {
    fn receiver(self) -> TaskWebhook {
        let events = self.events.unwrap_or_else(|| ENDED_EVENTS.map(str::to_owned).to_vec());
        TaskWebhook { url: self.url, events, sealed: None, secret: self.secret }
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
    /// The task that `body` asks for. `envelope` is the schema of this type, made once.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        mut body: Value,
        envelope: &Schema,
        registry: &Registry,
        project: ProjectId,
    ) -> Result<NewTask, Vec<Fault>> {
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
            return Err(faults);
        };
        let asked: Self = serde_json::from_value(body).map_err(|error| vec![Fault::new("", error.to_string())])?;
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
            request_id: None,
            idempotency: None,
            depends_on,
            coalesce,
            replayed_from: None,
            head: None,
            webhook: asked.webhook.map(WebhookOptions::receiver),
        })
    }

    /// A task of a kind, with everything else as the kind has it.
    #[must_use]
    pub fn plain(
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
    fields.retain(|name, value| !["coalesce", "webhook"].contains(&name.as_str()) || !value.is_null());
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
