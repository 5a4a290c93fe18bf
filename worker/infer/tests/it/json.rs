//! Answers of a form, from a model that has no idea of it.

use engine_infer::Family;
use futures::future::join_all;
use jobs_core::port::model::{FinishReason, GenerateRequest, JsonSchemaFormat, ModelFault, ResponseFormat, Sampling};
use serde_json::{Value, json};

use crate::models::{ask, engine, request, tiny};

/// Twenty forms of schemas, each in ten sizes: what clients ask for, and what is hard to end.
fn schemas() -> Vec<Value> {
    let mut schemas = Vec::new();
    for n in 1..=10u64 {
        let names: Vec<String> = (0..n).map(|at| format!("field_{at}")).collect();
        let texts: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), json!({ "type": "string" }))).collect();
        let nested = (0..n).fold(json!({ "type": "integer" }), |inner, at| {
            json!({ "type": "object", "properties": { format!("level_{at}"): inner }, "required": [format!("level_{at}")] })
        });
        let choices: Vec<Value> = (0..=n).map(|at| json!(format!("choice {at}"))).collect();
        schemas.extend([
            json!({ "type": "object", "properties": texts, "required": names }),
            json!({ "type": "object", "properties": texts }),
            nested,
            json!({ "type": "object", "properties": { "pick": { "enum": choices } }, "required": ["pick"] }),
            json!({ "type": "string", "pattern": format!("^[A-Z]{{{n}}}-[0-9]{{2,4}}$") }),
            json!({ "type": "array", "items": { "type": "integer", "minimum": -5, "maximum": 5 }, "minItems": n, "maxItems": n + 2 }),
            json!({ "type": "array", "items": { "enum": ["a", 1, null, true] }, "minItems": n }),
            json!({ "oneOf": [{ "type": "integer", "minimum": 0, "maximum": n }, { "type": "string", "maxLength": n }, { "type": "null" }] }),
            json!({ "anyOf": [{ "type": "object", "properties": { "a": { "const": n } }, "required": ["a"] }, { "const": "none" }] }),
            json!({
                "$defs": { "node": {
                    "type": "object",
                    "properties": {
                        "value": { "type": "integer", "minimum": 0, "maximum": 9 },
                        "next": { "anyOf": [{ "$ref": "#/$defs/node" }, { "type": "null" }] },
                    },
                    "required": ["value", "next"], "additionalProperties": false,
                } },
                "$ref": "#/$defs/node",
            }),
            json!({ "type": "object", "properties": { "on": { "type": "string", "format": "date" }, "n": { "const": n } }, "required": ["on", "n"] }),
            json!({ "type": "object", "properties": { "at": { "type": "string", "format": "date-time" } }, "required": ["at"] }),
            json!({ "type": "object", "properties": { "mail": { "type": "string", "format": "email" } }, "required": ["mail"] }),
            json!({ "type": "array", "items": { "type": "string", "format": "uuid" }, "minItems": n.div_ceil(4), "maxItems": n.div_ceil(4) }),
            json!({ "type": "number", "minimum": 0, "exclusiveMaximum": n }),
            json!({ "type": "object", "properties": { "x": { "type": "number" }, "y": { "type": "number" } }, "required": ["x", "y"] }),
            json!({ "type": "array", "prefixItems": [{ "type": "boolean" }, { "type": "integer" }], "items": { "type": "null" }, "minItems": 2, "maxItems": n + 2 }),
            json!({ "type": ["string", "null"], "minLength": n, "maxLength": 2 * n }),
            json!({ "allOf": [{ "type": "object", "properties": { "a": { "type": "boolean" } }, "required": ["a"] }, { "properties": { "b": { "type": "integer", "multipleOf": n } }, "required": ["b"] }] }),
            json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0, "maximum": 99 }, "maxProperties": n }),
        ]);
    }
    schemas
}

fn format(schema: Value) -> ResponseFormat {
    ResponseFormat::JsonSchema { json_schema: JsonSchemaFormat { name: None, schema, strict: None } }
}

#[tokio::test]
async fn two_hundred_schemas_are_kept_to_by_every_answer_that_is_complete() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({ "slots": 8 }));
    let schemas = schemas();
    assert_eq!(schemas.len(), 200);
    let request = |(at, schema): (usize, &Value)| GenerateRequest {
        response_format: format(schema.clone()),
        // What is likely to a model with random weights is always the same. By chance more is met.
        sampling: Sampling { temperature: 1.0, seed: at as u64, ..Sampling::GREEDY },
        ..request("Extract the facts as JSON: Ada Lovelace, born on 10 December 1815 in London.", 400)
    };
    let answers = join_all(schemas.iter().enumerate().map(request).map(|request| ask(&engine, request))).await;
    let (mut complete, mut tokens, mut passes) = (0, 0, 0);
    for (schema, answer) in schemas.iter().zip(answers) {
        let answer = answer.unwrap_or_else(|error| panic!("{schema}: {error}"));
        tokens += answer.usage.completion_tokens;
        passes += answer.usage.forward_passes;
        if answer.finish_reason == FinishReason::Length {
            continue;
        }
        complete += 1;
        let document: Value = serde_json::from_str(&answer.text).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        assert!(answer.parsed.is_some_and(|parsed| validator.is_valid(&parsed)), "{schema}: {document}");
    }
    println!("{complete} of 200 complete, {tokens} tokens in {passes} passes");
    assert!(complete >= 196, "{complete} of 200 came to an end");
    assert!(passes < tokens, "{tokens} tokens took {passes} passes");
}

#[tokio::test]
async fn expressions_grammars_and_objects_are_kept_to() {
    let dir = tiny(Family::Qwen2);
    let engine = engine(dir.path(), json!({}));
    let answer = async |response_format: ResponseFormat| {
        let request = GenerateRequest { response_format, ..request("Answer:", 200) };
        ask(&engine, request).await.unwrap()
    };
    let number = answer(ResponseFormat::Regex { pattern: "[0-9]{3}-[a-f]{2}".to_owned() }).await.text;
    assert!(number.len() == 6 && number[..3].bytes().all(|digit| digit.is_ascii_digit()), "{number}");
    let grammar = "start: (\"yes\" | \"no\") \", \" NAME\nNAME: /[A-Z][a-z]{2,5}/".to_owned();
    let agreed = answer(ResponseFormat::Grammar { grammar }).await.text;
    assert!(agreed.starts_with("yes, ") || agreed.starts_with("no, "), "{agreed}");
    let object = answer(ResponseFormat::JsonObject).await;
    assert_eq!(object.finish_reason, FinishReason::Stop);
    assert!(object.parsed.unwrap().is_object());
}

#[tokio::test]
async fn a_form_that_leaves_no_choice_needs_no_pass() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let schema = json!({ "type": "object", "properties": { "kind": { "const": "fixed" } }, "required": ["kind"] });
    let answer = ask(&engine, GenerateRequest { response_format: format(schema), ..request("x", 50) }).await.unwrap();
    assert_eq!(answer.text, r#"{"kind":"fixed"}"#);
    assert!(answer.usage.forward_passes <= 1, "{:?}", answer.usage);
    assert_eq!(answer.usage.forced_tokens, answer.usage.completion_tokens);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_says_so() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let schema = json!({ "type": "array", "items": { "type": "string", "minLength": 20 }, "minItems": 10 });
    let answer = ask(&engine, GenerateRequest { response_format: format(schema), ..request("x", 20) }).await.unwrap();
    assert_eq!((answer.finish_reason, answer.parsed), (FinishReason::Length, None));
    assert_eq!(answer.usage.completion_tokens, 20);
}

#[tokio::test]
async fn a_form_that_cannot_be_kept_to_is_refused_with_its_place() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    let schema = json!({ "type": "object", "properties": { "a": { "not": { "type": "null" } } } });
    let error = ask(&engine, GenerateRequest { response_format: format(schema), ..request("x", 5) }).await.unwrap_err();
    assert_eq!(error.fault, ModelFault::UnsupportedSchema);
    assert_eq!(error.pointer.as_deref(), Some("/response_format/json_schema/schema/properties/a/not"));
}
