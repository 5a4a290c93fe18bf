//! Models as GGUF files, written here from what the engine reads as safetensors.

use std::{collections::BTreeMap, path::Path};

use engine_infer::Family;
use half::f16;
use serde_json::{Value, json};

use crate::models::{ask, engine, request, tiny};

/// How the matrices of a file are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stored {
    F32 = 0,
    F16 = 1,
    Q4 = 2,
    Q8 = 8,
}

/// Writes the model in `dir` as `dir/model.gguf`, with the tokenizer beside it that is there.
fn write(dir: &Path, architecture: &str, stored: Stored) {
    let config: Value = serde_json::from_slice(&std::fs::read(dir.join("config.json")).unwrap()).unwrap();
    let number = |name: &str| config[name].as_u64().unwrap();
    let (heads, key_heads) = (number("num_attention_heads"), number("num_key_value_heads"));
    let mut settings: Vec<u8> = Vec::new();
    let mut count = 0u64;
    let mut set = |name: &str, kind: u32, value: &[u8]| {
        text(&mut settings, name);
        settings.extend(kind.to_le_bytes());
        settings.extend(value);
        count += 1;
    };
    let mut name = Vec::new();
    text(&mut name, architecture);
    set("general.architecture", 8, &name);
    // A list, which the reader must read over.
    set(
        "tokenizer.ggml.tokens",
        9,
        &[&8u32.to_le_bytes()[..], &2u64.to_le_bytes(), &1u64.to_le_bytes(), b"a", &0u64.to_le_bytes()].concat(),
    );
    set("tokenizer.ggml.eos_token_id", 4, &2u32.to_le_bytes());
    for (setting, hub) in [
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("block_count", "num_hidden_layers"),
        ("attention.head_count", "num_attention_heads"),
        ("attention.head_count_kv", "num_key_value_heads"),
        ("context_length", "max_position_embeddings"),
    ] {
        set(&format!("{architecture}.{setting}"), 4, &(number(hub) as u32).to_le_bytes());
    }
    for (setting, hub) in [("attention.layer_norm_rms_epsilon", "rms_norm_eps"), ("rope.freq_base", "rope_theta")] {
        set(&format!("{architecture}.{setting}"), 6, &(config[hub].as_f64().unwrap() as f32).to_le_bytes());
    }
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    let tensors = tensors(dir);
    for (hub, (shape, numbers)) in &tensors {
        let mut numbers = numbers.clone();
        if architecture == "llama" && hub.contains("q_proj") {
            numbers = interleave(&numbers, shape[1], heads as usize);
        }
        if architecture == "llama" && hub.contains("k_proj") {
            numbers = interleave(&numbers, shape[1], key_heads as usize);
        }
        let kind = if shape.len() == 1 { Stored::F32 } else { stored };
        text(&mut infos, &translate(hub));
        infos.extend((shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|side| infos.extend((*side as u64).to_le_bytes()));
        infos.extend((kind as u32).to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        data.extend(pack(&numbers, kind));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut file =
        [&b"GGUF"[..], &3u32.to_le_bytes(), &(tensors.len() as u64).to_le_bytes(), &count.to_le_bytes()].concat();
    file.extend(settings);
    file.extend(infos);
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    std::fs::write(dir.join("model.gguf"), file).unwrap();
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The tensors of a safetensors file of 32-bit floats.
fn tensors(dir: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(dir.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let numbers =
        |data: &[u8]| data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    file.iter().map(|(name, tensor)| (name.to_owned(), (tensor.shape().to_vec(), numbers(tensor.data())))).collect()
}

/// The rows of each head, of both halves by turns.
fn interleave(numbers: &[f32], cols: usize, heads: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = numbers.chunks_exact(cols).collect();
    let width = rows.len() / heads;
    let order = (0..rows.len()).map(|row| row / width * width + row % width / 2 + row % 2 * (width / 2));
    order.flat_map(|row| rows[row].to_vec()).collect()
}

fn translate(name: &str) -> String {
    let pairs = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    pairs.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn pack(numbers: &[f32], kind: Stored) -> Vec<u8> {
    match kind {
        Stored::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Stored::F16 => numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
        Stored::Q8 => {
            let block = |block: &[f32]| {
                let scale = block.iter().fold(0f32, |most, number| most.max(number.abs())) / 127.0;
                let mut bytes = f16::from_f32(scale).to_le_bytes().to_vec();
                bytes.extend(block.iter().map(|number| (number / scale).round() as i8 as u8));
                bytes
            };
            numbers.chunks_exact(32).flat_map(block).collect()
        }
        Stored::Q4 => {
            let block = |block: &[f32]| {
                let scale = block.iter().fold(0f32, |most, number| most.max(number.abs())) / 7.0;
                let mut bytes = f16::from_f32(scale).to_le_bytes().to_vec();
                let quant = |number: f32| (number / scale + 8.5).clamp(0.0, 15.0) as u8;
                bytes.extend((0..16).map(|at| quant(block[at]) | quant(block[at + 16]) << 4));
                bytes
            };
            numbers.chunks_exact(32).flat_map(block).collect()
        }
    }
}

/// The logarithms of the probabilities that a model gives the tokens of its own answer.
async fn opinion(path: &Path, dtype: &str) -> (Vec<u32>, Vec<f32>) {
    let engine = engine(path, json!({ "dtype": dtype }));
    let mut request = request("A text to continue: the quick brown fox", 8);
    request.logprobs = Some(0);
    let answer = ask(&engine, request).await.unwrap();
    answer.logprobs.unwrap().into_iter().map(|token| (token.id, token.logprob)).unzip()
}

#[tokio::test]
async fn a_gguf_file_is_the_model_that_it_was_made_of() {
    for (family, architecture) in [(Family::Llama, "llama"), (Family::Qwen2, "qwen2")] {
        let dir = tiny(family);
        let file = dir.path().join("model.gguf");
        let (tokens, exact) = opinion(dir.path(), "f32").await;
        write(dir.path(), architecture, Stored::F32);
        assert_eq!(opinion(&file, "as_stored").await, (tokens.clone(), exact.clone()), "{architecture}");
        // The first token follows the same prompt, so its probability is nearly the same.
        for (stored, near) in [(Stored::F16, 0.02), (Stored::Q8, 0.3)] {
            write(dir.path(), architecture, stored);
            let (_, close) = opinion(&file, "as_stored").await;
            assert!((close[0] - exact[0]).abs() < near, "{architecture} {stored:?}: {} {}", close[0], exact[0]);
        }
    }
}

#[tokio::test]
async fn blocks_of_a_file_are_computed_as_the_floats_that_they_stand_for() {
    let dir = tiny(Family::Llama);
    let file = dir.path().join("model.gguf");
    for stored in [Stored::Q8, Stored::Q4] {
        write(dir.path(), "llama", stored);
        assert_eq!(opinion(&file, "as_stored").await, opinion(&file, "f32").await, "{stored:?}");
    }
}
