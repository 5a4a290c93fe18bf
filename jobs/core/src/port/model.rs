//! Asking language models, and the engine that runs them.
//!
//! A request is complete: defaults of the model are already in it. Lengths are in tokens of the model, which only the
//! engine can count.

mod answer;
mod error;
mod request;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use answer::{Completion, Embeddings, FinishReason, Timings, TokenLogprob, TopLogprob, Usage, UsageSource};
pub use error::{ModelError, ModelFault};
pub use request::{EmbedRequest, GenerateRequest, JsonSchemaFormat, Message, Prompt, ResponseFormat, Role, Sampling};

/// Runs models, wherever they are.
pub trait ModelEngine: Send + Sync {
    /// Continues a prompt. Many calls at once are one batch in the engine.
    ///
    /// Dropping the future, or cancelling the token, ends the generation before its next token.
    fn generate<'a>(
        &'a self,
        request: GenerateRequest,
        sink: &'a dyn GenerationSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Completion, ModelError>>;

    /// Turns texts into vectors, one for each, in their order.
    fn embed<'a>(
        &'a self,
        request: EmbedRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Embeddings, ModelError>>;

    /// How busy each loaded model is.
    fn stats(&self) -> Vec<ModelStats>;
}

/// Where a generation tells how it goes. Called on the task that waits for the answer, never on the engine's thread.
pub trait GenerationSink: Send + Sync {
    /// More of the text, and how many tokens it has so far. All deltas together are the text of the answer.
    fn text(&self, delta: &str, tokens: u32);
}

/// How busy a loaded model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelStats {
    /// The name of the model.
    pub model: String,
    /// How many requests it runs at once at most.
    pub slots: u32,
    /// Requests that it runs.
    pub running: u32,
    /// Requests that wait for a slot.
    pub queued: u32,
    /// Bytes that are set aside for its weights and what it remembers of prompts.
    pub memory_bytes: u64,
    /// Tokens of prompts that it has read since it was loaded.
    pub prompt_tokens: u64,
    /// Tokens that it has written since it was loaded.
    pub completion_tokens: u64,
    /// Passes through the model since it was loaded; each is one batch.
    pub forward_passes: u64,
}
