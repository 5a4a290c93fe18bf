//! The schemas of the document: of what clients send, of what they read, and of the input of each kind.

use jobs_core::{GroupSettings, QueueSettings, Registry};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::tidy;
use crate::{
    integrity::IntegrityView,
    keys::{CreateKey, KeyView, NewKeyView, RotateKey},
    kinds::KindView,
    prices::{ArbitrageView, BestView, CompareView, GpuList, HistoryView, PricePage, PriceView, SavingsView},
    problem::Code,
    problems::ProblemType,
    projects::{CreateProject, ProjectView},
    providers::{DryRun, DryRunView, ProviderSummary, ProviderView, PutProvider},
    queues::{GroupView, QueueView},
    schedules::{CreateSchedule, PauseSchedule, Preview, PreviewSchedule, RunPage, RunSchedule, SchedulePage},
    stats::Stats,
    system::{Health, Pong},
    tasks::{
        actions::{BulkAction, BulkResult},
        attempts::AttemptView,
        batch::{Batch, MOST, PartialBatch},
        submission::CreateTask,
    },
    videos::{ErrorBody, VideoList, VideoView},
    view::{ArtifactView, EventView, Explanation, Page, TaskPage, TaskView},
    webhooks::{
        CreateWebhook, DeliveryPage, DeliveryView, NewWebhookView, Recover, Recovered, RotateWebhook, UpdateWebhook,
        WebhookPage, WebhookStats, WebhookView,
    },
};

/// A type of event, or a pattern of types: as `jobs_webhooks::is_pattern` has it.
const EVENT_PATTERN: &str = r"^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?)$";

/// `whsec_` and the Base64 of 24 to 64 bytes.
const SECRET_PATTERN: &str = concat!(
    "^whsec_([A-Za-z0-9+/]{4}){8,20}",
    "([A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
);

/// All schemas by name.
pub(super) fn schemas(registry: &Registry) -> Map<String, Value> {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut read = settings().into_generator();
    read.subschema_for::<CreateTask>();
    read.subschema_for::<BulkAction>();
    read.subschema_for::<QueueSettings>();
    read.subschema_for::<GroupSettings>();
    read.subschema_for::<CreateKey>();
    read.subschema_for::<RotateKey>();
    read.subschema_for::<CreateProject>();
    read.subschema_for::<PutProvider>();
    read.subschema_for::<DryRun>();
    read.subschema_for::<CreateWebhook>();
    read.subschema_for::<UpdateWebhook>();
    read.subschema_for::<RotateWebhook>();
    read.subschema_for::<Recover>();
    read.subschema_for::<CreateSchedule>();
    read.subschema_for::<PreviewSchedule>();
    read.subschema_for::<PauseSchedule>();
    read.subschema_for::<RunSchedule>();
    let mut all: Map<String, Value> = read.take_definitions(true).into_iter().collect();

    let mut written = settings().for_serialize().into_generator();
    for name in [
        written.subschema_for::<TaskView>(),
        written.subschema_for::<TaskPage>(),
        written.subschema_for::<Batch>(),
        written.subschema_for::<PartialBatch>(),
        written.subschema_for::<BulkResult>(),
        written.subschema_for::<QueueView>(),
        written.subschema_for::<GroupView>(),
        written.subschema_for::<NewKeyView>(),
        written.subschema_for::<ProjectView>(),
        written.subschema_for::<SchedulePage>(),
        written.subschema_for::<RunPage>(),
        written.subschema_for::<Preview>(),
        written.subschema_for::<KindView>(),
        written.subschema_for::<ProblemType>(),
        written.subschema_for::<Health>(),
        written.subschema_for::<IntegrityView>(),
        written.subschema_for::<Pong>(),
        written.subschema_for::<Explanation>(),
        written.subschema_for::<Stats>(),
        written.subschema_for::<PriceView>(),
        written.subschema_for::<PricePage>(),
        written.subschema_for::<HistoryView>(),
        written.subschema_for::<CompareView>(),
        written.subschema_for::<ArbitrageView>(),
        written.subschema_for::<BestView>(),
        written.subschema_for::<SavingsView>(),
        written.subschema_for::<GpuList>(),
        written.subschema_for::<ProviderView>(),
        written.subschema_for::<DryRunView>(),
        written.subschema_for::<NewWebhookView>(),
        written.subschema_for::<WebhookView>(),
        written.subschema_for::<WebhookPage>(),
        written.subschema_for::<WebhookStats>(),
        written.subschema_for::<DeliveryView>(),
        written.subschema_for::<DeliveryPage>(),
        written.subschema_for::<Recovered>(),
        written.subschema_for::<ErrorBody>(),
        written.subschema_for::<VideoView>(),
        written.subschema_for::<VideoList>(),
    ] {
        drop(name);
    }
    let pages = [
        ("EventPage", page::<EventView>(&mut written)),
        ("ArtifactPage", page::<ArtifactView>(&mut written)),
        ("AttemptPage", page::<AttemptView>(&mut written)),
        ("ApiKeyPage", page::<KeyView>(&mut written)),
        ("ProjectPage", page::<ProjectView>(&mut written)),
        ("ProviderPage", page::<ProviderSummary>(&mut written)),
        ("KindPage", page::<KindView>(&mut written)),
        ("QueuePage", page::<QueueView>(&mut written)),
        ("ProblemTypePage", page::<ProblemType>(&mut written)),
    ];
    // What is both read and written is described as it is read: there it may leave things out.
    for (name, mut schema) in written.take_definitions(true) {
        tidy::leave_out(&mut schema);
        all.entry(name).or_insert(schema);
    }
    for (name, page) in pages {
        let generic = page["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
        if let Some(schema) = generic.and_then(|generic| all.remove(&generic)) {
            all.insert(name.to_owned(), schema);
        }
    }
    all.insert("Problem".to_owned(), problem());
    all.insert(
        "CreateTasks".to_owned(),
        json!({
            "type": "array",
            "minItems": 1,
            "maxItems": MOST,
            "items": { "$ref": "#/components/schemas/CreateTask", "not": with_all(&["coalesce"]) },
        }),
    );
    name_metadata(&mut all);
    add_kinds(&mut all, registry);
    let replay = changes(&all["CreateTask"], &["kind"], json!({ "priority": 9 }));
    all.insert("ReplayTask".to_owned(), replay);
    let patch = changes(&all["CreateSchedule"], &[], json!({ "cron": "0 6 * * *" }));
    all.insert("ChangeSchedule".to_owned(), patch);
    all.insert("ServerSentEvent".to_owned(), server_sent_event());
    add_rules(&mut all);
    tidy::untitle(&mut all);
    all.values_mut().for_each(tidy::without_default);
    all.values_mut().for_each(tidy::enumerate);
    tidy::divide(&mut all, "CreateTask", "kind", |_, kind| format!("Create{}Task", camel(kind)));
    tidy::divide(&mut all, "Event", "type", |name, event| format!("{}{name}", camel(event)));
    all
}

/// The facts of a client by a name of their own, for whoever makes types of the document.
fn name_metadata(all: &mut Map<String, Value>) {
    let mut facts = all["CreateTask"]["properties"]["metadata"].take();
    tidy::without_null(&mut facts);
    all["CreateTask"]["properties"]["metadata"] =
        json!({ "anyOf": [tidy::reference("Metadata"), { "type": "null" }], "description": "Facts of your own." });
    all.insert("Metadata".to_owned(), facts);
    // Left out as well as `null`, like every other member.
    for name in ["coalesce", "retry"] {
        let mut member = all["CreateTask"]["properties"][name].take();
        let description = member.as_object_mut().and_then(|member| member.remove("description"));
        all["CreateTask"]["properties"][name] =
            json!({ "anyOf": [member, { "type": "null" }], "description": description });
    }
}

/// What a schema made of a type does not say: which members go together. Under `not`, so that a body stays one object for whoever makes
/// types of it.
fn add_rules(all: &mut Map<String, Value>) {
    // Checked beside the schema, so that all faults of a webhook are told at once.
    for name in ["CreateWebhook", "UpdateWebhook", "TaskWebhook"] {
        all[name]["properties"]["events"]["items"]["pattern"] = EVENT_PATTERN.into();
    }
    for name in ["CreateWebhook", "RotateWebhook", "TaskWebhook"] {
        all[name]["properties"]["secret"]["pattern"] = SECRET_PATTERN.into();
    }
    all["CreateTask"]["not"] = with_all(&["run_at", "delay_ms"]);
    all["ReplayTask"]["not"] = with_all(&["run_at", "delay_ms"]);
    all["CreateKey"]["not"] = with_all(&["expires_at", "expires_in_ms"]);
    let one = |name: &str| json!({ "required": [name], "properties": given(&[name]) });
    let neither = json!({ "not": { "anyOf": [one("cron"), one("every_ms")] } });
    all["CreateSchedule"]["not"] = json!({ "anyOf": [with_all(&["cron", "every_ms"]), neither] });
    all["PreviewSchedule"]["not"] = all["CreateSchedule"]["not"].clone();
    all["ChangeSchedule"]["not"] = with_all(&["cron", "every_ms"]);
    let of_the_schedule = ["run_at", "deadline", "depends_on", "coalesce"].map(one);
    for body in ["CreateSchedule", "ChangeSchedule"] {
        all[body]["properties"]["task"]["not"] = json!({ "anyOf": of_the_schedule });
    }
    // Of a bulk action something has to say which tasks are meant.
    let texts = ["kind", "queue", "group", "tag", "created_after", "created_before", "ids"];
    let says = |name: &str, how: Value| json!({ "not": { "required": [name], "properties": { name: how } } });
    let mut silent: Vec<Value> = texts.iter().map(|name| says(name, given(&[name])[name].clone())).collect();
    silent.push(says("all", json!({ "const": true })));
    silent.push(says("status", json!({ "type": "array", "minItems": 1 })));
    silent.push(says("metadata", json!({ "type": "object", "minProperties": 1 })));
    all["BulkAction"]["not"] = json!({ "allOf": silent });
}

/// An object that has all of these members, none of them as `null`.
fn with_all(names: &[&str]) -> Value {
    json!({ "required": names, "properties": given(names) })
}

/// Members that are not `null`.
fn given(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), json!({ "not": { "type": "null" } }))).collect::<Map<_, _>>().into()
}

/// An event as it stands in a stream (HTML, 9.2.6).
fn server_sent_event() -> Value {
    json!({
        "type": "object",
        "description": "An event of a task in a stream.",
        "required": ["event", "id", "data"],
        "properties": {
            "event": {
                "type": "string",
                "enum": ["status", "progress", "log", "artifact", "done"],
                "description": "What `data` is: an Event of this type; of `done`, the Task as it ended.",
            },
            "id": { "type": "string", "pattern": "^[0-9]+$", "description": "Its number: `Last-Event-ID` of whoever comes back." },
            "data": { "type": "string", "contentMediaType": "application/json", "description": "A JSON object, on one line." },
        },
    })
}

/// What is to be otherwise: a body of which everything may be left out, and `fixed` must be.
fn changes(body: &Value, fixed: &[&str], example: Value) -> Value {
    let mut changes = body.clone();
    if let Some(fields) = changes.as_object_mut() {
        fields.retain(|name, _| matches!(name.as_str(), "type" | "properties" | "additionalProperties"));
        fields.insert("description".to_owned(), "What is to be otherwise; the rest is as it was.".into());
        fields.insert("examples".to_owned(), json!([example]));
    }
    if let Some(properties) = changes["properties"].as_object_mut() {
        properties.retain(|name, _| !fixed.contains(&name.as_str()));
    }
    changes
}

fn page<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<Page<T>>().to_value()
}

/// The input of each kind, and a submission as the choice between them.
fn add_kinds(all: &mut Map<String, Value>, registry: &Registry) {
    let mut choices = Vec::new();
    let mut examples = Map::new();
    for kind in registry.iter() {
        let spec = kind.spec();
        let name = format!("{}Input", camel(spec.name));
        let mut schema = spec.input.document().clone();
        lift(&mut schema, all, &name);
        divide_input(&mut schema, all, spec.name);
        schema["examples"] = json!([spec.example]);
        all.insert(name.clone(), schema);
        choices.push(json!({
            "properties": { "kind": { "type": "string", "const": spec.name }, "input": tidy::reference(&name) },
        }));
        examples.insert(spec.name.to_owned(), json!({ "kind": spec.name, "input": spec.example }));
    }
    if let Some(submission) = all.get_mut("CreateTask") {
        submission["oneOf"] = choices.into();
        submission["examples"] = examples.into_iter().map(|(_, example)| example).collect();
    }
}

/// An input that is one object or another, by a condition, as a choice of two that have names: whoever makes types does not follow
/// conditions. Each refuses what the other one needs, so it is the same.
fn divide_input(input: &mut Value, all: &mut Map<String, Value>, kind: &str) {
    let Some(fields) = input.as_object_mut().filter(|fields| fields.contains_key("if")) else { return };
    fields.remove("if");
    let branches = ["then", "else"].into_iter().filter_map(|branch| fields.remove(branch));
    let mut choices = Vec::new();
    for branch in branches {
        let name = format!("{}{}Input", camel(kind), branch["title"].as_str().unwrap_or_default());
        choices.push(tidy::reference(&name));
        all.insert(name, branch);
    }
    fields.remove("type");
    fields.insert("oneOf".to_owned(), choices.into());
}

/// Moves the definitions of a schema of its own beside the others.
fn lift(schema: &mut Value, all: &mut Map<String, Value>, owner: &str) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.remove("$schema");
    let definitions = fields.remove("$defs").and_then(|definitions| match definitions {
        Value::Object(definitions) => Some(definitions),
        _ => None,
    });
    point(schema, owner);
    for (name, mut definition) in definitions.into_iter().flatten() {
        point(&mut definition, owner);
        all.insert(format!("{owner}{name}"), definition);
    }
}

fn point(schema: &mut Value, owner: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) =
                fields.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"))
            {
                let path = format!("#/components/schemas/{owner}{name}");
                fields.insert("$ref".to_owned(), path.into());
            }
            fields.values_mut().for_each(|value| point(value, owner));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point(item, owner)),
        _ => {}
    }
}

/// `video.generate` as `VideoGenerate`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    name.split(['.', '_']).map(word).collect()
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    json!({
        "type": "object",
        "description": "What went wrong, as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "timestamp"],
        "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "description": "A page about this sort of problem." },
            "title": { "type": "string", "description": "The same for every problem of this sort." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What is wrong this time." },
            "instance": { "type": "string", "description": "The path of the request." },
            "code": { "type": "string", "enum": codes, "description": "A stable word for programs." },
            "request_id": { "type": "string", "description": "The id of the request, to find it in the logs." },
            "timestamp": { "type": "string", "format": "date-time" },
            "errors": {
                "type": "array",
                "description": "All wrong fields.",
                "items": tidy::reference("Fault"),
            },
        },
    })
}
