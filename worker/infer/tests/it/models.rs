//! Models of the tests, and ways to ask them.

use std::{path::Path, sync::Mutex};

use engine_infer::{Family, LocalEngine, Tiny};
use jobs_core::port::model::{
    Completion, GenerateRequest, GenerationSink, ModelEngine, ModelError, Prompt, ResponseFormat, Sampling,
};
use jobs_inference::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What the tests call their model.
pub(crate) const NAME: &str = "it";

/// The files of a small model.
pub(crate) fn tiny(family: Family) -> TempDir {
    seeded(family, 7)
}

/// The files of a small model with the weights of a seed.
pub(crate) fn seeded(family: Family, seed: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    Tiny::new(family, seed).write(dir.path()).unwrap();
    dir
}

/// An engine with one model, set up as `settings` say.
pub(crate) fn engine(path: &Path, settings: Value) -> LocalEngine {
    let mut model = json!({ "purpose": "chat", "source": { "path": path } });
    model.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let mut registry = Registry::default();
    registry.inference.threads = 1;
    registry.models.insert(NAME.to_owned(), serde_json::from_value(model).unwrap());
    LocalEngine::new(registry).unwrap()
}

/// A request for the most likely tokens after a text.
pub(crate) fn request(prompt: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest {
        model: NAME.to_owned(),
        group: "g".to_owned(),
        prompt: Prompt::Text(prompt.to_owned()),
        sampling: Sampling::GREEDY,
        response_format: ResponseFormat::Text,
        max_tokens,
        stop: Vec::new(),
        logprobs: None,
    }
}

/// Keeps what it is told.
#[derive(Default)]
pub(crate) struct Told(pub(crate) Mutex<String>);

impl GenerationSink for Told {
    fn text(&self, delta: &str, _tokens: u32) {
        self.0.lock().unwrap().push_str(delta);
    }
}

/// Asks, and checks that what was told on the way is what was answered.
pub(crate) async fn ask(engine: &LocalEngine, request: GenerateRequest) -> Result<Completion, ModelError> {
    let told = Told::default();
    let completion = engine.generate(request, &told, CancellationToken::new()).await?;
    assert_eq!(*told.0.lock().unwrap(), completion.text);
    Ok(completion)
}

/// Hears nothing.
pub(crate) struct Nowhere;

impl GenerationSink for Nowhere {
    fn text(&self, _delta: &str, _tokens: u32) {}
}
