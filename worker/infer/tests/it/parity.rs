//! Our arithmetic is that of transformers.

use std::{path::Path, process::Command};

use engine_infer::{Family, LocalEngine};
use futures::future::join_all;
use jobs_core::port::model::{EmbedRequest, GenerateRequest, ModelEngine};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::models::{NAME, ask, engine, request, tiny};

/// What transformers gave.
#[derive(Deserialize)]
struct Reference {
    answer: Vec<u32>,
}

fn prompts() -> Vec<String> {
    serde_json::from_str(include_str!("../reference/prompts.json")).unwrap()
}

/// Asks a Python that has torch and transformers, where `LONGSHORE_PARITY_PYTHON` names one; reads what it said once
/// otherwise. `UPDATE_REFERENCE` writes what it says into the repository.
#[expect(clippy::disallowed_methods, reason = "a setting of this test")]
fn reference(model: &Path, name: &str) -> String {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/reference/{name}.json"));
    let Some(python) = std::env::var_os("LONGSHORE_PARITY_PYTHON") else {
        return std::fs::read_to_string(kept).unwrap();
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let out = model.join("reference.json");
    let status = Command::new(python)
        .arg(tests.join("reference.py"))
        .args([model, &tests.join("reference/prompts.json"), &out])
        .status()
        .unwrap();
    assert!(status.success());
    let found = std::fs::read_to_string(out).unwrap();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(kept, &found).unwrap();
    }
    found
}

/// The tokens of an answer.
async fn tokens(engine: &LocalEngine, request: GenerateRequest) -> Vec<u32> {
    let request = GenerateRequest { logprobs: Some(0), ..request };
    let completion = ask(engine, request).await.unwrap();
    completion.logprobs.unwrap().into_iter().map(|token| token.id).collect()
}

async fn equals_transformers(family: Family, name: &str) {
    let dir = tiny(family);
    let reference: Vec<Reference> = serde_json::from_str(&reference(dir.path(), name)).unwrap();
    // All prompts share passes, and are read in parts.
    let engine = engine(dir.path(), json!({ "dtype": "f32", "slots": 6, "max_batch_tokens": 24 }));
    let prompts = prompts();
    let answers = join_all(prompts.iter().map(|prompt| tokens(&engine, request(prompt, 64)))).await;
    assert_eq!(answers.len(), reference.len());
    for ((prompt, answer), reference) in prompts.iter().zip(answers).zip(reference) {
        assert_eq!(answer, reference.answer, "{prompt}");
    }
}

#[tokio::test]
async fn a_llama_answers_as_transformers_does_token_by_token() {
    equals_transformers(Family::Llama, "llama").await;
}

#[tokio::test]
async fn a_qwen2_answers_as_transformers_does_token_by_token() {
    equals_transformers(Family::Qwen2, "qwen2").await;
}

#[tokio::test]
async fn a_qwen3_answers_as_transformers_does_token_by_token() {
    equals_transformers(Family::Qwen3, "qwen3").await;
}

#[tokio::test]
async fn a_bert_makes_the_vectors_that_transformers_makes() {
    let dir = tiny(Family::Bert);
    let reference: Vec<Vec<f32>> = serde_json::from_str(&reference(dir.path(), "bert")).unwrap();
    let engine = engine(dir.path(), json!({ "purpose": "embedding", "max_batch_tokens": 100 }));
    let request = EmbedRequest { model: NAME.to_owned(), group: "g".to_owned(), texts: prompts() };
    let embeddings = engine.embed(request, CancellationToken::new()).await.unwrap();
    assert_eq!(embeddings.vectors.len(), reference.len());
    for (vector, reference) in embeddings.vectors.iter().zip(&reference) {
        // What is kept in the repository has only the first numbers of each vector.
        let furthest = vector.iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 1e-5, "{furthest}");
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}
