//! What a client asks of a model: the input of `model.infer`.

use jobs_core::{
    Fault,
    fault::pointer_to,
    port::model::{Message, ResponseFormat},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Parameters, grammar};

/// The most messages of a conversation.
pub const MAX_MESSAGES: usize = 1_000;
/// The most texts that are embedded at once.
pub const MAX_TEXTS: usize = 2_048;
/// The most texts that end an answer.
pub const MAX_STOPS: usize = 8;
/// The most bytes of a text that ends an answer.
pub const MAX_STOP_BYTES: usize = 256;
/// The most alternatives that are told for a token.
pub const MAX_TOP_LOGPROBS: u8 = 20;

/// What is asked of a model: one of `messages`, `prompt` and `texts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InferInput {
    /// The name of the model.
    pub model: String,
    /// A conversation, to be continued by the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// A text, to be continued as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Texts, to be turned into vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<Vec<String>>,
    /// The longest answer, in tokens of the model; its own limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// How tokens are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Parameters>,
    /// Texts that end the answer; they are not part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// How many alternatives to tell for each token, with their probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub logprobs: Option<u8>,
    /// The form that the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
}

impl InferInput {
    /// Everything that is wrong with it whatever its model is, with pointers relative to the input.
    ///
    /// A schema is compiled here, so a request that passes can be served in the form that it asks for.
    #[must_use]
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let asked = [self.messages.is_some(), self.prompt.is_some(), self.texts.is_some()];
        if asked.iter().filter(|is_asked| **is_asked).count() != 1 {
            faults.push(Fault::new("", "needs exactly one of messages, prompt and texts"));
        }
        if let Some(messages) = &self.messages {
            faults.extend(check_count("/messages", messages.len(), MAX_MESSAGES));
        }
        if self.prompt.as_deref() == Some("") {
            faults.push(Fault::new("/prompt", "must not be empty"));
        }
        if let Some(texts) = &self.texts {
            faults.extend(check_count("/texts", texts.len(), MAX_TEXTS));
            faults.extend(self.only_for_answers());
        }
        if self.max_tokens == Some(0) {
            faults.push(Fault::new("/max_tokens", "must be at least 1"));
        }
        faults.extend(self.sampling.iter().flat_map(Parameters::check).map(|fault| fault.under("/sampling")));
        faults.extend(self.check_stops());
        if self.logprobs.is_some_and(|count| count > MAX_TOP_LOGPROBS) {
            faults.push(Fault::new("/logprobs", format!("must be at most {MAX_TOP_LOGPROBS}")));
        }
        if let Some(format) = &self.response_format
            && let Err(fault) = grammar::check(format)
        {
            faults.push(fault.under("/response_format"));
        }
        faults
    }

    /// Whether it asks for vectors.
    #[must_use]
    pub fn is_embedding(&self) -> bool {
        self.texts.is_some()
    }

    /// What says how an answer is written has no meaning where there is none.
    fn only_for_answers(&self) -> Vec<Fault> {
        let given = [
            ("/max_tokens", self.max_tokens.is_some()),
            ("/sampling", self.sampling.is_some()),
            ("/stop", !self.stop.is_empty()),
            ("/logprobs", self.logprobs.is_some()),
            ("/response_format", self.response_format.is_some()),
        ];
        let given = given.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(pointer, _)| Fault::new(pointer, "has no meaning where texts are embedded")).collect()
    }

    fn check_stops(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.stop.len() > MAX_STOPS {
            faults.push(Fault::new("/stop", format!("must have at most {MAX_STOPS} texts")));
        }
        for (at, stop) in self.stop.iter().enumerate() {
            if stop.is_empty() || stop.len() > MAX_STOP_BYTES {
                let pointer = pointer_to("/stop", &at.to_string());
                faults.push(Fault::new(pointer, format!("must have 1 to {MAX_STOP_BYTES} bytes")));
            }
        }
        faults
    }
}

fn check_count(pointer: &str, count: usize, most: usize) -> Option<Fault> {
    let fits = (1..=most).contains(&count);
    (!fits).then(|| Fault::new(pointer, format!("must have 1 to {most} elements")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(input: Value) -> Vec<String> {
        let input: InferInput = serde_json::from_value(input).unwrap();
        input.check().into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn one_thing_is_asked_at_a_time() {
        assert_eq!(faults(json!({ "model": "m", "prompt": "x" })), [""; 0]);
        assert_eq!(faults(json!({ "model": "m" })), [""]);
        assert_eq!(faults(json!({ "model": "m", "prompt": "x", "texts": ["y"] })), [""]);
    }

    #[test]
    fn every_fault_is_named_by_its_pointer() {
        let input = json!({
            "model": "m", "messages": [], "max_tokens": 0, "sampling": { "temperature": 3 }, "stop": ["", "ok"],
            "logprobs": 21,
        });
        assert_eq!(faults(input), ["/messages", "/max_tokens", "/sampling/temperature", "/stop/0", "/logprobs"]);
    }

    #[test]
    fn vectors_have_no_sampling() {
        let input = json!({ "model": "m", "texts": ["x"], "max_tokens": 5, "stop": ["y"] });
        assert_eq!(faults(input), ["/max_tokens", "/stop"]);
    }

    #[test]
    fn a_schema_that_cannot_be_kept_to_is_refused_where_it_is_wrong() {
        let schema = json!({ "type": "object", "properties": { "a/b": { "not": { "type": "string" } } } });
        let format = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
        let input = json!({ "model": "m", "prompt": "x", "response_format": format });
        assert_eq!(faults(input), ["/response_format/json_schema/schema/properties/a~1b/not"]);
    }
}
