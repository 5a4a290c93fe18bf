//! Which models there are: names for what clients ask for, and where each is.

mod model;
mod size;

use std::{collections::BTreeMap, time::Duration};

use jobs_core::{
    Fault,
    fault::pointer_to,
    port::model::{EmbedRequest, GenerateRequest, Prompt},
};
use serde::Deserialize;

use crate::InferInput;

pub use model::{Dialect, Dtype, Endpoint, Limits, Model, Purpose, Source};
pub use size::Size;

/// The longest name of a model.
const MAX_NAME: usize = 128;
/// How many tokens an answer may have when neither the client nor the model says so.
const DEFAULT_MAX_TOKENS: u32 = 1_024;

/// All models, and what they share.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// What local models share.
    #[serde(default)]
    pub inference: Shared,
    /// The models by their names.
    #[serde(default)]
    pub models: BTreeMap<String, Model>,
}

/// What the local models of one worker share.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shared {
    /// How much memory the weights and contexts of loaded models may take together.
    pub memory_limit: Size,
    /// Threads that compute; one less than there are cores when it is 0.
    pub threads: u32,
}

impl Default for Shared {
    fn default() -> Self {
        Self { memory_limit: Size::gibibytes(8), threads: 0 }
    }
}

/// What is asked of an engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Write.
    Generate(GenerateRequest),
    /// Make vectors.
    Embed(EmbedRequest),
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It is not TOML, or not of this form.
    #[error("{0}")]
    Syntax(String),
    /// It says something that cannot be.
    #[error("{}", list(.0))]
    Faults(Vec<Fault>),
}

fn list(faults: &[Fault]) -> String {
    let line = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
    faults.iter().map(line).collect::<Vec<_>>().join("; ")
}

impl Registry {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// When it is not TOML of this form, or all that cannot be, with pointers into the document.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let registry: Self = toml::from_str(text).map_err(|error| RegistryError::Syntax(error.to_string()))?;
        let faults = registry.check();
        if faults.is_empty() { Ok(registry) } else { Err(RegistryError::Faults(faults)) }
    }

    /// The request that an input means: with the defaults of its model, for a task of `group`.
    ///
    /// `seed` is taken where neither the client nor the model chose one.
    ///
    /// # Errors
    /// Everything that the model cannot do, with pointers relative to the input. What is wrong whatever the model is, is
    /// found by [`InferInput::check`].
    pub fn resolve(&self, input: InferInput, group: &str, seed: u64) -> Result<Request, Vec<Fault>> {
        let Some(model) = self.models.get(&input.model) else {
            return Err(vec![Fault::new("/model", "no such model")]);
        };
        let faults = model.refuses(&input);
        if !faults.is_empty() {
            return Err(faults);
        }
        let group = group.to_owned();
        let prompt = match (input.texts, input.messages, input.prompt) {
            (Some(texts), ..) => return Ok(Request::Embed(EmbedRequest { model: input.model, group, texts })),
            (_, Some(messages), _) => Prompt::Chat(messages),
            (_, _, prompt) => Prompt::Text(prompt.unwrap_or_default()),
        };
        let most = model.limits.max_tokens.unwrap_or(u32::MAX);
        Ok(Request::Generate(GenerateRequest {
            model: input.model,
            group,
            prompt,
            sampling: input.sampling.unwrap_or_default().resolve(&model.defaults, seed),
            response_format: input.response_format.unwrap_or_default(),
            max_tokens: input.max_tokens.or(model.max_tokens).unwrap_or(DEFAULT_MAX_TOKENS).min(most),
            stop: input.stop,
            logprobs: input.logprobs,
        }))
    }

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, model) in &self.models {
            let at = pointer_to("/models", name);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_name) {
                let detail = format!("a name has 1 to {MAX_NAME} letters, digits, and - _ . : /");
                faults.push(Fault::new(at.clone(), detail));
            }
            faults.extend(model.check().into_iter().map(|fault| fault.under(&at)));
            for (index, other) in model.fallback.iter().enumerate() {
                let at = format!("{at}/fallback/{index}");
                match self.models.get(other) {
                    _ if other == name => faults.push(Fault::new(at, "is the model itself")),
                    None => faults.push(Fault::new(at, "no such model")),
                    Some(other) if other.purpose != model.purpose => {
                        faults.push(Fault::new(at, "does something else than the model"));
                    }
                    Some(_) => {}
                }
            }
        }
        faults
    }
}

/// How long a model stays loaded that nobody uses, unless its configuration says so.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use jobs_core::port::model::{Message, ResponseFormat, Role, Sampling};
    use serde_json::json;

    use super::*;

    const EXAMPLE: &str = r#"
        [inference]
        memory_limit = "6GiB"
        threads = 1

        [models."smollm2-extract"]
        purpose = "chat"
        source = { path = "/models/smollm2-extract", revision = "3f2a" }
        dtype = "q8_0"
        context_length = 2048
        slots = 8
        max_tokens = 256
        defaults = { temperature = 0.2, top_p = 0.9 }
        price_per_1k = { input = "0.0002", cached_input = "0.0001", output = "0.0006", currency = "USD" }
        limits = { max_tokens = 512, max_queued = 100 }
        keep_alive = "10m"
        fallback = ["qwen-remote"]

        [models.qwen-remote]
        purpose = "chat"
        [[models.qwen-remote.endpoints]]
        base_url = "http://vllm:8000/v1"
        api_key_secret = "vllm"
        model = "Qwen/Qwen2.5-7B-Instruct"
        dialect = "vllm"
        timeout = "120s"
        weight = 3

        [models.minilm]
        purpose = "embedding"
        source = { hub = "sentence-transformers/all-MiniLM-L6-v2", revision = "8b3219a92973c328a8e22fadcfa821b5dc75636a" }
    "#;

    fn ask(model: &str) -> InferInput {
        let message = Message { role: Role::User, content: "hello".to_owned() };
        InferInput { model: model.to_owned(), messages: Some(vec![message]), ..InferInput::default() }
    }

    #[test]
    fn the_example_is_read_and_defaults_are_joined() {
        let registry = Registry::parse(EXAMPLE).unwrap();
        assert_eq!(registry.inference.memory_limit, Size::gibibytes(6));
        assert_eq!(registry.models["minilm"].keep_alive, KEEP_ALIVE);
        let Request::Generate(request) = registry.resolve(ask("smollm2-extract"), "g", 5).unwrap() else {
            panic!("it asks for text")
        };
        assert_eq!(request.sampling, Sampling { temperature: 0.2, top_p: 0.9, seed: 5, ..Sampling::GREEDY });
        assert_eq!((request.max_tokens, request.response_format), (256, ResponseFormat::Text));
    }

    #[test]
    fn a_model_is_asked_only_for_what_it_does() {
        let registry = Registry::parse(EXAMPLE).unwrap();
        let pointers = |input: InferInput| {
            let faults = registry.resolve(input, "g", 0).unwrap_err();
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(ask("nobody")), ["/model"]);
        assert_eq!(pointers(ask("minilm")), ["/messages"]);
        assert_eq!(pointers(InferInput { max_tokens: Some(1_000), ..ask("smollm2-extract") }), ["/max_tokens"]);
        let texts: InferInput = serde_json::from_value(json!({ "model": "qwen-remote", "texts": ["x"] })).unwrap();
        assert_eq!(pointers(texts), ["/texts"]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let wrong = r#"
            [models.a]
            purpose = "chat"
            source = { path = "/m" }
            slots = 0
            price_per_1k = { input = "0.1", output = "0.1", currency = "dollar" }
            fallback = ["a", "b"]
            [models.none]
            purpose = "chat"
            [models.main]
            purpose = "chat"
            source = { hub = "org/name", revision = "main" }
        "#;
        let RegistryError::Faults(faults) = Registry::parse(wrong).unwrap_err() else { panic!("it is TOML") };
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/models/a/slots",
                "/models/a/price_per_1k/currency",
                "/models/a/fallback/0",
                "/models/a/fallback/1",
                "/models/main/source/revision",
                "/models/none"
            ]
        );
        assert!(matches!(Registry::parse("[models.a]\nprice = 1"), Err(RegistryError::Syntax(_))));
        // A float is not the price that was written.
        let float = EXAMPLE.replace("\"0.0002\"", "0.0002");
        assert!(matches!(Registry::parse(&float), Err(RegistryError::Syntax(_))));
    }
}
