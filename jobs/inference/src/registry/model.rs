//! One model: what it is for, where it is, and how much may be asked of it.

use std::{path::PathBuf, time::Duration};

use jobs_core::Fault;
use serde::Deserialize;
use url::Url;

use super::{KEEP_ALIVE, size::duration};
use crate::{InferInput, Parameters, Price};

/// The most requests that one model runs at once.
const MAX_SLOTS: u32 = 256;
/// The most tokens of one pass through a model.
const MAX_BATCH_TOKENS: u32 = 8_192;

/// A model: local, when it has a source, or remote, when it has endpoints.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it is for.
    pub purpose: Purpose,
    /// Where its files are.
    #[serde(default)]
    pub source: Option<Source>,
    /// Servers that have it.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// How weights are held in memory.
    #[serde(default)]
    pub dtype: Dtype,
    /// How many tokens a prompt and its answer may have together; what the model was made for by default.
    #[serde(default)]
    pub context_length: Option<u32>,
    /// A chat template to use in place of the model's own.
    #[serde(default)]
    pub template: Option<PathBuf>,
    /// How many requests are one batch at most.
    #[serde(default = "default_slots")]
    pub slots: u32,
    /// How many tokens one pass through the model may take; long prompts are read in parts.
    #[serde(default = "default_batch_tokens")]
    pub max_batch_tokens: u32,
    /// How long answers are when the client does not say.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// How tokens are chosen when the client does not say.
    #[serde(default)]
    pub defaults: Parameters,
    /// What 1,000 tokens cost.
    #[serde(default)]
    pub price_per_1k: Option<Price>,
    /// How much may be asked of it.
    #[serde(default)]
    pub limits: Limits,
    /// How long it stays loaded when nobody uses it.
    #[serde(default = "default_keep_alive", deserialize_with = "duration")]
    pub keep_alive: Duration,
    /// Whether it stays loaded whoever else needs the memory.
    #[serde(default)]
    pub pinned: bool,
    /// The models to ask when this one is not to be had, in their order.
    #[serde(default)]
    pub fallback: Vec<String>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Continues conversations, and texts.
    Chat,
    /// Continues texts. It has no template for conversations.
    Completion,
    /// Turns texts into vectors.
    Embedding,
}

/// Where the files of a local model are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    /// On this machine: a directory with safetensors, a tokenizer and a configuration, or a GGUF file with a
    /// `tokenizer.json` beside it.
    Local {
        /// The directory or the file.
        path: PathBuf,
        /// What is written into answers as the model's revision.
        #[serde(default)]
        revision: Option<String>,
        /// The SHA-256 of the weights, in hexadecimal digits.
        #[serde(default)]
        sha256: Option<String>,
    },
    /// On the Hugging Face hub.
    Hub {
        /// `organization/name`.
        hub: String,
        /// The commit. A branch is refused: what it names changes.
        revision: String,
        /// The file, where it is a GGUF.
        #[serde(default)]
        file: Option<String>,
    },
}

/// A server that speaks as OpenAI's does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its address, up to and with `/v1`.
    pub base_url: Url,
    /// The name of the secret that is its key. The key itself is never in a configuration.
    #[serde(default)]
    pub api_key_secret: Option<String>,
    /// What the model is called there.
    pub model: String,
    /// How it asks for the form of an answer.
    #[serde(default)]
    pub dialect: Dialect,
    /// How long an answer may take.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// How many requests it may have at once.
    #[serde(default = "default_in_flight")]
    pub max_in_flight: u32,
    /// Its share of the requests, next to the other endpoints.
    #[serde(default = "default_weight")]
    pub weight: u32,
}

/// What servers that speak as OpenAI's does differ in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `response_format` with `json_schema`; also the server of llama.cpp.
    #[default]
    Openai,
    /// vLLM.
    Vllm,
    /// The server of llama-cpp-python: `json_object` with a `schema`.
    LlamaCppPython,
    /// Text Generation Inference.
    Tgi,
    /// Ollama: `format`.
    Ollama,
    /// It cannot keep to a form. Answers are only checked.
    Plain,
}

/// How weights are held in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// As they are in the file.
    #[default]
    AsStored,
    /// 32-bit floats: exact, whatever the file has.
    F32,
    /// Blocks of 32 weights of 8 bits with a scale.
    Q8_0,
    /// Blocks of 32 weights of 4 bits with a scale.
    Q4_0,
}

/// How much may be asked of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most tokens that a client may ask for in an answer.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// The most requests that wait in one worker; more are told that the model is overloaded.
    #[serde(default)]
    pub max_queued: Option<u32>,
}

impl Model {
    /// Everything about it that cannot be, with pointers relative to it.
    pub(super) fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let is_remote = !self.endpoints.is_empty();
        if self.source.is_some() == is_remote {
            faults.push(Fault::new("", "needs either a source or endpoints"));
        }
        let mut within = |name: &str, value: u32, most: u32| {
            if value == 0 || value > most {
                faults.push(Fault::new(format!("/{name}"), format!("must be from 1 to {most}")));
            }
        };
        within("slots", self.slots, MAX_SLOTS);
        within("max_batch_tokens", self.max_batch_tokens, MAX_BATCH_TOKENS);
        within("context_length", self.context_length.unwrap_or(1), u32::MAX);
        within("max_tokens", self.max_tokens.unwrap_or(1), u32::MAX);
        faults.extend(self.defaults.check().into_iter().map(|fault| fault.under("/defaults")));
        if let Some((field, detail)) = self.price_per_1k.as_ref().and_then(Price::fault) {
            faults.push(Fault::new(format!("/price_per_1k/{field}"), detail));
        }
        if let Some(Source::Hub { revision, .. }) = &self.source {
            let is_commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_commit {
                faults.push(Fault::new("/source/revision", "must be a commit of 40 hexadecimal digits"));
            }
        }
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            if !["http", "https"].contains(&endpoint.base_url.scheme()) {
                faults.push(Fault::new(format!("/endpoints/{index}/base_url"), "must begin with http or https"));
            }
            if endpoint.weight == 0 || endpoint.max_in_flight == 0 {
                faults.push(Fault::new(format!("/endpoints/{index}"), "weight and max_in_flight are at least 1"));
            }
        }
        faults
    }

    /// What `input` asks that the model does not do, with pointers relative to the input.
    pub(super) fn refuses(&self, input: &InferInput) -> Vec<Fault> {
        let mut faults = Vec::new();
        let given = [
            ("/messages", input.messages.is_some(), self.purpose == Purpose::Chat, "does not take conversations"),
            ("/prompt", input.prompt.is_some(), self.purpose != Purpose::Embedding, "does not write"),
            ("/texts", input.texts.is_some(), self.purpose == Purpose::Embedding, "does not make vectors"),
        ];
        for (pointer, is_given, does_it, detail) in given {
            if is_given && !does_it {
                faults.push(Fault::new(pointer, format!("this model {detail}")));
            }
        }
        if let (Some(asked), Some(most)) = (input.max_tokens, self.limits.max_tokens)
            && asked > most
        {
            faults.push(Fault::new("/max_tokens", format!("this model writes at most {most} tokens")));
        }
        faults
    }
}

fn default_slots() -> u32 {
    8
}

fn default_batch_tokens() -> u32 {
    256
}

fn default_keep_alive() -> Duration {
    KEEP_ALIVE
}

fn default_timeout() -> Duration {
    Duration::from_secs(120)
}

fn default_in_flight() -> u32 {
    64
}

fn default_weight() -> u32 {
    1
}
