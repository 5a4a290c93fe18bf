//! What a model is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text to be continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// The name of the model in the registry.
    pub model: String,
    /// Whose request it is, as far as fairness goes: groups that wait for one model take turns.
    pub group: String,
    /// What to continue.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The form that the answer must have.
    pub response_format: ResponseFormat,
    /// The longest answer, in tokens. JSON that comes near it is brought to its end in its last quarter.
    pub max_tokens: u32,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// How many alternatives to tell for each token with its probability; none when probabilities are not wanted.
    pub logprobs: Option<u8>,
}

/// What to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// A conversation, laid out by the model's own template.
    Chat(Vec<Message>),
    /// A text, as it is.
    Text(String),
}

/// Something that was said in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions of whoever runs the service.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
}

/// How the next token is chosen. The steps are taken in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divides the logits of tokens that occur in the prompt or the answer, when they are positive, and multiplies them
    /// when they are negative; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Taken off the logit of a token for each time that it occurs in the answer.
    pub frequency_penalty: f32,
    /// Taken off the logit of a token that occurs in the answer.
    pub presence_penalty: f32,
    /// What the logits are divided by; 0 always takes the most likely token.
    pub temperature: f32,
    /// Only so many most likely tokens are considered; 0 considers all.
    pub top_k: u32,
    /// Only the most likely tokens that have this probability together are considered; 1 considers all.
    pub top_p: f32,
    /// Only tokens with at least this share of the probability of the most likely one are considered; 0 considers all.
    pub min_p: f32,
    /// The same seed gives the same answer.
    pub seed: u64,
}

impl Sampling {
    /// Always the most likely token.
    pub const GREEDY: Self = Self {
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 0,
    };
}

/// The form that an answer must have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// A JSON document that a schema accepts.
    JsonSchema {
        /// The schema and its name.
        json_schema: JsonSchemaFormat,
    },
    /// A text that a regular expression matches from its beginning to its end.
    Regex {
        /// The expression, without look-around and back-references.
        pattern: String,
    },
    /// A text of a context-free language.
    Grammar {
        /// The grammar, in the dialect of Lark that llguidance reads; its first rule is `start`.
        grammar: String,
    },
}

impl ResponseFormat {
    /// Whether the answer is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        matches!(self, Self::JsonObject | Self::JsonSchema { .. })
    }
}

/// A JSON Schema for an answer, in the form that OpenAI's clients send it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonSchemaFormat {
    /// What the schema is called. It changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The schema, draft 2020-12. Properties are written in the order in which it names them.
    pub schema: Value,
    /// Accepted because clients send it. Answers always keep to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// Texts to be turned into vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The name of the model in the registry.
    pub model: String,
    /// Whose request it is, as far as fairness goes.
    pub group: String,
    /// The texts.
    pub texts: Vec<String>,
}
