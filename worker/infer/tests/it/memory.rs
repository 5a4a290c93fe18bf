//! Models that come and go.

use std::time::Duration;

use engine_infer::{Family, LocalEngine, Tiny};
use futures::future::join_all;
use jobs_core::port::model::{GenerateRequest, ModelEngine, ModelFault};
use jobs_inference::Registry;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::models::{Nowhere, ask, request};

/// Three models, of which `limit` bytes may be in memory.
fn three(limit: &str, keep_alive: &str, pinned: &str) -> (TempDir, LocalEngine) {
    let dir = tempfile::tempdir().unwrap();
    let mut registry = Registry::parse(&format!("[inference]\nmemory_limit = \"{limit}\"\nthreads = 1")).unwrap();
    for (seed, name) in ["a", "b", "c"].into_iter().enumerate() {
        let path = dir.path().join(name);
        Tiny { context: 256, ..Tiny::new(Family::Llama, seed as u64) }.write(&path).unwrap();
        let model = json!({
            "purpose": "chat", "source": { "path": path }, "slots": 2, "keep_alive": keep_alive, "pinned": name == pinned,
        });
        registry.models.insert(name.to_owned(), serde_json::from_value(model).unwrap());
    }
    (dir, LocalEngine::new(registry).unwrap())
}

fn of(model: &str, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { model: model.to_owned(), ..request("Hello", max_tokens) }
}

fn resident(engine: &LocalEngine) -> Vec<String> {
    engine.stats().into_iter().map(|model| model.model).collect()
}

#[tokio::test]
async fn the_model_that_was_not_used_for_longest_makes_room() {
    // Each takes about 6 MiB, so that two have room.
    let (_dir, engine) = three("13MiB", "10m", "a");
    for (model, expected) in [("a", vec!["a"]), ("b", vec!["a", "b"]), ("c", vec!["a", "c"]), ("b", vec!["a", "b"])] {
        ask(&engine, of(model, 2)).await.unwrap();
        assert_eq!(resident(&engine), expected);
        let bytes: u64 = engine.stats().iter().map(|model| model.memory_bytes).sum();
        assert!(bytes <= 13 << 20, "{bytes}");
    }
}

#[tokio::test]
async fn many_who_ask_at_once_load_a_model_once() {
    // A second copy would have no room.
    let (_dir, engine) = three("7MiB", "10m", "");
    let answers = join_all((0..8).map(|_| ask(&engine, of("a", 3)))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let stats = engine.stats();
    assert_eq!((stats.len(), stats[0].completion_tokens), (1, 24));
}

#[tokio::test]
async fn a_model_in_use_is_not_unloaded_and_who_needs_the_memory_waits() {
    let (_dir, engine) = three("7MiB", "10m", "");
    let long = engine.generate(of("a", 200), &Nowhere, CancellationToken::new());
    let other = async {
        while resident(&engine).is_empty() {
            tokio::task::yield_now().await;
        }
        ask(&engine, of("b", 2)).await
    };
    let (long, other) = tokio::join!(long, other);
    assert_eq!(long.unwrap().usage.completion_tokens, 200);
    assert_eq!(other.unwrap().usage.completion_tokens, 2);
    assert_eq!(resident(&engine), ["b"]);
}

#[tokio::test]
async fn a_model_that_nobody_uses_goes() {
    let (_dir, engine) = three("1GiB", "50ms", "");
    ask(&engine, of("a", 2)).await.unwrap();
    let gone = async {
        while !resident(&engine).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    // And comes again.
    ask(&engine, of("a", 2)).await.unwrap();
}

#[tokio::test]
async fn a_model_that_can_never_have_room_is_refused() {
    let (_dir, engine) = three("1MiB", "10m", "");
    let error = ask(&engine, of("a", 2)).await.unwrap_err();
    assert_eq!(error.fault, ModelFault::ModelTooLarge);
    let (_dir, engine) = three("8MiB", "10m", "a");
    ask(&engine, of("a", 2)).await.unwrap();
    assert_eq!(ask(&engine, of("b", 2)).await.unwrap_err().fault, ModelFault::ModelTooLarge);
}
