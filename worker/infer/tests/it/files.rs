//! Files that are broken, and prompts that are too long: an error that says what is wrong, and no memory spent on it.

use std::{fs, path::Path, time::Instant};

use engine_infer::{Family, Tiny};
use jobs_core::port::model::{ModelError, ModelFault};
use serde_json::{Value, json};

use crate::models::{ask, engine, request, tiny};

/// What comes of asking the model in `path`.
async fn refusal(path: &Path) -> ModelError {
    ask(&engine(path, json!({})), request("Hello", 2)).await.unwrap_err()
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut document);
    fs::write(path, serde_json::to_vec(&document).unwrap()).unwrap();
}

#[tokio::test]
async fn broken_weights_are_an_error_that_says_so() {
    let whole = tiny(Family::Llama);
    let weights = fs::read(whole.path().join("model.safetensors")).unwrap();
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    let header = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let mut renamed = weights.clone();
    let at = weights.windows(7).position(|bytes| bytes == b"lm_head").unwrap();
    renamed[at..at + 7].copy_from_slice(b"lm_tail");
    for (broken, says) in [
        (weights[..weights.len() / 2].to_vec(), "cut short"),
        (weights[..header / 2].to_vec(), "cut short"),
        (Vec::new(), "cut short"),
        (huge, "no safetensors file"),
        (vec![b'x'; 4096], "no safetensors file"),
        (renamed, "no lm_head.weight"),
    ] {
        fs::write(whole.path().join("model.safetensors"), broken).unwrap();
        let error = refusal(whole.path()).await;
        assert_eq!(error.fault, ModelFault::ModelInvalid);
        assert!(error.message.contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn files_that_do_not_belong_together_are_an_error_that_says_so() {
    let dir = tiny(Family::Llama);
    edit(&dir.path().join("config.json"), |config| config["hidden_size"] = json!(64));
    let error = refusal(dir.path()).await;
    assert!(error.message.contains("has the shape"), "{error}");
    let dir = tiny(Family::Llama);
    let other = tempfile::tempdir().unwrap();
    Tiny { vocabulary: 3_000, ..Tiny::new(Family::Llama, 1) }.write(other.path()).unwrap();
    fs::copy(other.path().join("tokenizer.json"), dir.path().join("tokenizer.json")).unwrap();
    let error = refusal(dir.path()).await;
    assert!(error.message.contains("the tokenizer has a token 2999"), "{error}");
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(refusal(dir.path()).await.message.contains("there is no"));
    let error = refusal(Path::new("/nowhere/at/all")).await;
    assert_eq!(error.fault, ModelFault::ModelInvalid);
}

#[tokio::test]
async fn a_gguf_file_that_lies_about_its_lengths_is_refused() {
    let dir = tiny(Family::Llama);
    let path = dir.path().join("model.gguf");
    let head = |tensors: u64, settings: u64| {
        [&b"GGUF"[..], &3u32.to_le_bytes(), &tensors.to_le_bytes(), &settings.to_le_bytes()].concat()
    };
    let long_name = [head(0, 1), u64::MAX.to_le_bytes().to_vec()].concat();
    let long_list = {
        let mut file = head(0, 1);
        file.extend(1u64.to_le_bytes());
        file.extend(b"a");
        file.extend(9u32.to_le_bytes());
        file.extend(6u32.to_le_bytes());
        file.extend(u64::MAX.to_le_bytes());
        file
    };
    for broken in
        [b"GGUF".to_vec(), b"nothing of it".to_vec(), head(u64::MAX, 0), head(0, u64::MAX), long_name, long_list]
    {
        fs::write(&path, broken).unwrap();
        assert_eq!(refusal(&path).await.fault, ModelFault::ModelInvalid);
    }
}

#[tokio::test]
async fn the_digest_of_the_weights_is_compared() {
    let dir = tiny(Family::Llama);
    let source = json!({ "path": dir.path(), "sha256": "00" });
    let error = ask(&engine(dir.path(), json!({ "source": source })), request("Hello", 2)).await.unwrap_err();
    assert!(error.message.contains("has the SHA-256"), "{error}");
}

#[tokio::test]
async fn a_prompt_of_a_million_tokens_is_refused_at_once_and_costs_nothing() {
    let dir = tiny(Family::Llama);
    let engine = engine(dir.path(), json!({}));
    ask(&engine, request("Hello", 2)).await.unwrap();
    let long = "na ne ni no nu ".repeat(1_000_000 / 5);
    let (before, started) = (peak_kilobytes(), Instant::now());
    let error = ask(&engine, request(&long, 2)).await.unwrap_err();
    assert_eq!((error.fault, error.pointer.as_deref()), (ModelFault::ContextLengthExceeded, Some("/prompt")));
    assert!(started.elapsed().as_secs() < 2);
    let grown = peak_kilobytes() - before;
    // The prompt itself has three megabytes.
    assert!(grown < 16 << 10, "{grown} kB");
    // One that is too long by a token is counted exactly.
    let error = ask(&engine, request(&" na".repeat(2_100), 2)).await.unwrap_err();
    assert!(error.message.contains("the prompt has 2100 tokens"), "{error}");
}

/// The most memory that this process has had.
fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
