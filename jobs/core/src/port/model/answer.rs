//! What a model answered, and what it took.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// The JSON document that the text is, when the request asked for one and it is complete. It has been validated.
    pub parsed: Option<Value>,
    /// Why it ends where it ends.
    pub finish_reason: FinishReason,
    /// The probability of each token, when the request asked for it.
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// What it took, in tokens.
    pub usage: Usage,
    /// What it took, in time.
    pub timings: Timings,
    /// Which weights answered: the revision of the model.
    pub model_revision: Option<String>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, a stop text was met, or the document is complete.
    Stop,
    /// It has as many tokens as it may. A document in it may be incomplete.
    Length,
}

/// What an answer took, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// How many of them were remembered from earlier prompts.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub completion_tokens: u32,
    /// How many of those the form of the answer left no choice about.
    pub forced_tokens: u32,
    /// Passes through the model that this answer took part in.
    pub forward_passes: u32,
    /// Who counted.
    pub source: UsageSource,
}

impl Usage {
    /// All tokens.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        u64::from(self.prompt_tokens) + u64::from(self.completion_tokens)
    }
}

/// Who counted tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The engine that ran the model.
    #[default]
    Exact,
    /// A remote server said so.
    Remote,
    /// Nobody: it is an estimate from the length of texts.
    Estimated,
}

/// What an answer took, in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// Milliseconds until a slot of the model was free, loading it included.
    pub queue_ms: f64,
    /// Milliseconds until the first token, from when the request came.
    pub first_token_ms: f64,
    /// Milliseconds until the end, from when the request came.
    pub total_ms: f64,
}

/// The probability of one token of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenLogprob {
    /// The token's number in the vocabulary.
    pub id: u32,
    /// The token's text; bytes that are no text by themselves are replaced.
    pub token: String,
    /// The natural logarithm of its probability, before any sampling rule; 0 where the form of the answer left no choice.
    pub logprob: f32,
    /// The most likely tokens at its place.
    pub top: Vec<TopLogprob>,
}

/// A token that might have stood at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TopLogprob {
    /// The token's text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embeddings {
    /// One for each text, in their order. Their lengths are 1 where the model says that they are normalised.
    pub vectors: Vec<Vec<f32>>,
    /// What they took, in tokens.
    pub usage: Usage,
    /// What they took, in time.
    pub timings: Timings,
    /// Which weights answered.
    pub model_revision: Option<String>,
}
