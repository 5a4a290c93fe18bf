//! What a model gave: the output of `model.infer`, and the proof that it has the form that was asked for.

use jobs_core::port::model::{
    Completion, Embeddings, FinishReason, ModelError, ModelFault, ResponseFormat, Timings, TokenLogprob, Usage,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{Cost, Price};

/// What a model gave.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct InferOutput {
    /// The model that answered: not the one that was asked for, where that one was not to be had.
    pub model: String,
    /// Which weights answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_revision: Option<String>,
    /// The answer, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The answer, as the JSON document that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parsed: Option<Value>,
    /// Why the answer ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The probabilities of its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// The vectors of the texts, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<Vec<Vec<f32>>>,
    /// What it took, in tokens.
    pub usage: Usage,
    /// What it took, in time.
    pub timings: Timings,
    /// What it cost, where the model has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CostView>")]
    pub cost: Option<Cost>,
}

/// How [`Cost`] looks in JSON.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct CostView {
    /// How much: a decimal in a string.
    amount: String,
    /// Of what: three letters of ISO 4217.
    currency: String,
}

impl InferOutput {
    /// An answer of `model`.
    #[must_use]
    pub fn of_completion(model: &str, completion: Completion, price: Option<&Price>) -> Self {
        Self {
            model: model.to_owned(),
            model_revision: completion.model_revision,
            content: Some(completion.text),
            parsed: completion.parsed,
            finish_reason: Some(completion.finish_reason),
            logprobs: completion.logprobs,
            embeddings: None,
            usage: completion.usage,
            timings: completion.timings,
            cost: price.map(|price| price.cost(&completion.usage)),
        }
    }

    /// Vectors of `model`.
    #[must_use]
    pub fn of_embeddings(model: &str, embeddings: Embeddings, price: Option<&Price>) -> Self {
        Self {
            model: model.to_owned(),
            model_revision: embeddings.model_revision,
            content: None,
            parsed: None,
            finish_reason: None,
            logprobs: None,
            embeddings: Some(embeddings.vectors),
            usage: embeddings.usage,
            timings: embeddings.timings,
            cost: price.map(|price| price.cost(&embeddings.usage)),
        }
    }
}

/// The document that the finished answer `text` is, where `format` asks for one, after it has been validated.
///
/// A grammar can only say most of what a schema says, and a remote server may not keep to either; so every answer is
/// checked again, by other code than the code that wrote it.
///
/// # Errors
/// `invalid_model_output`, with the pointer of the first part of the document that is wrong.
pub fn conform(format: &ResponseFormat, text: &str) -> Result<Option<Value>, ModelError> {
    let invalid = |message: String| ModelError::new(ModelFault::InvalidModelOutput, message);
    let parse = || serde_json::from_str::<Value>(text).map_err(|error| invalid(format!("not JSON: {error}")));
    match format {
        ResponseFormat::JsonObject => {
            let document = parse()?;
            if !document.is_object() {
                return Err(invalid("not a JSON object".to_owned()));
            }
            Ok(Some(document))
        }
        ResponseFormat::JsonSchema { json_schema } => {
            let document = normalize(parse()?);
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .should_validate_formats(true)
                .build(&json_schema.schema)
                .map_err(|error| ModelError::new(ModelFault::UnsupportedSchema, error.to_string()))?;
            if let Some(error) = validator.iter_errors(&document).next() {
                return Err(invalid(error.to_string()).at(error.instance_path().to_string()));
            }
            Ok(Some(document))
        }
        ResponseFormat::Text | ResponseFormat::Regex { .. } | ResponseFormat::Grammar { .. } => Ok(None),
    }
}

/// The document with 0 for −0, which is a float to parsers, and so no integer to validators.
fn normalize(document: Value) -> Value {
    match document {
        Value::Number(number) if number.as_f64() == Some(0.0) && number.is_f64() => Value::from(0),
        Value::Array(items) => items.into_iter().map(normalize).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, normalize(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use jobs_core::port::model::JsonSchemaFormat;
    use serde_json::json;

    use super::*;

    fn integers() -> ResponseFormat {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
        ResponseFormat::JsonSchema { json_schema: JsonSchemaFormat { name: None, schema, strict: None } }
    }

    #[test]
    fn what_conforms_is_given_as_a_document() {
        assert_eq!(conform(&integers(), r#"{"n": 3}"#).unwrap(), Some(json!({ "n": 3 })));
        assert_eq!(conform(&integers(), r#"{"n": -0}"#).unwrap(), Some(json!({ "n": 0 })));
        assert_eq!(conform(&ResponseFormat::Text, "hello").unwrap(), None);
    }

    #[test]
    fn what_does_not_is_refused_with_the_place() {
        let error = conform(&integers(), r#"{"n": "3"}"#).unwrap_err();
        assert_eq!((error.fault, error.pointer.as_deref()), (ModelFault::InvalidModelOutput, Some("/n")));
        assert!(conform(&integers(), r#"{"n": 3"#).is_err());
        assert!(conform(&ResponseFormat::JsonObject, "[]").is_err());
    }
}
