//! A decoder of the family of Llama: tokens in, the logits of the next one out.
//!
//! One pass takes tokens of many sequences at once, each with its own memory and its own number of tokens; nothing is
//! padded. Touvron et al., <https://arxiv.org/abs/2302.13971>; grouped heads, <https://arxiv.org/abs/2305.13245>;
//! rotations, <https://arxiv.org/abs/2104.09864>. Qwen2 adds biases to queries, keys and values, Qwen3 norms of their heads:
//! whatever of this the weights have is used.

use std::sync::Arc;

use jobs_core::port::model::ModelError;
use jobs_inference::registry::Dtype;
use rayon::prelude::*;

use crate::{
    cache::Cache,
    checkpoint::{Checkpoint, invalid},
    kernel::{self, Attend},
    matrix::Matrix,
    shape::Shape,
};

/// The weights of a decoder.
pub(crate) struct Decoder {
    pub(crate) shape: Shape,
    embedding: Arc<Matrix>,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Arc<Matrix>,
    /// How far one place turns each pair of numbers of a head.
    frequencies: Vec<f32>,
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<Vec<f32>>,
    key_norm: Option<Vec<f32>>,
    output: Linear,
    forward_norm: Vec<f32>,
    gate: Linear,
    up: Linear,
    down: Linear,
}

struct Linear {
    weights: Matrix,
    bias: Option<Vec<f32>>,
}

/// Tokens that follow one sequence.
pub(crate) struct Chunk<'a> {
    /// Which of the memories is that sequence's.
    pub(crate) cache: usize,
    /// Its next tokens.
    pub(crate) tokens: &'a [u32],
    /// Whether somebody asks what comes after them.
    pub(crate) asks: bool,
}

impl Decoder {
    /// Reads the weights.
    pub(crate) fn load(files: &mut Checkpoint, shape: Shape, dtype: Dtype) -> Result<Self, ModelError> {
        let Shape { hidden, intermediate, heads, key_heads, head, vocabulary, .. } = shape;
        let embedding = Arc::new(matrix(files, "model.embed_tokens.weight", vocabulary, hidden, dtype)?);
        let output = match shape.tied {
            true => Arc::clone(&embedding),
            false => Arc::new(matrix(files, "lm_head.weight", vocabulary, hidden, dtype)?),
        };
        let mut layers = Vec::new();
        for at in 0..shape.layers {
            let name = |part: &str| format!("model.layers.{at}.{part}");
            let mut linear = |part: &str, rows, cols| Linear::load(files, &name(part), rows, cols, dtype);
            let query = linear("self_attn.q_proj", heads * head, hidden)?;
            let key = linear("self_attn.k_proj", key_heads * head, hidden)?;
            let value = linear("self_attn.v_proj", key_heads * head, hidden)?;
            let output = linear("self_attn.o_proj", hidden, heads * head)?;
            let gate = linear("mlp.gate_proj", intermediate, hidden)?;
            let up = linear("mlp.up_proj", intermediate, hidden)?;
            let down = linear("mlp.down_proj", hidden, intermediate)?;
            layers.push(Layer {
                attention_norm: vector(files, &name("input_layernorm.weight"), hidden)?,
                query,
                key,
                value,
                query_norm: optional_vector(files, &name("self_attn.q_norm.weight"), head)?,
                key_norm: optional_vector(files, &name("self_attn.k_norm.weight"), head)?,
                output,
                forward_norm: vector(files, &name("post_attention_layernorm.weight"), hidden)?,
                gate,
                up,
                down,
            });
        }
        let norm = vector(files, "model.norm.weight", hidden)?;
        let frequencies = shape.rotation.frequencies(head);
        Ok(Self { shape, embedding, layers, norm, head: output, frequencies })
    }

    /// An empty memory for a sequence.
    pub(crate) fn cache(&self) -> Cache {
        Cache::new(self.shape.layers * self.shape.key_heads, self.shape.head)
    }

    /// Appends each chunk to its sequence. Gives the logits after the last token of each chunk that asks, in their order.
    pub(crate) fn forward(&self, caches: &mut [Cache], chunks: &[Chunk<'_>]) -> Vec<Vec<f32>> {
        let Shape { hidden, epsilon, .. } = self.shape;
        let mut places = Vec::new();
        let mut asked = Vec::new();
        for chunk in chunks {
            let start = caches[chunk.cache].len();
            places.extend((0..chunk.tokens.len()).map(|at| Place { cache: chunk.cache, position: start + at }));
            if chunk.asks {
                asked.push(places.len() - 1);
            }
        }
        let tokens = chunks.iter().flat_map(|chunk| chunk.tokens);
        let mut x = vec![0.0; places.len() * hidden];
        for (token, row) in tokens.zip(x.chunks_exact_mut(hidden)) {
            self.embedding.row(*token as usize, row);
        }
        let turns = self.turns(&places);
        for (at, layer) in self.layers.iter().enumerate() {
            let normed = normalize(&x, &layer.attention_norm, epsilon);
            let mixed = self.attend(at, layer, &normed, caches, &places, &turns);
            add(&mut x, &layer.output.apply(&mixed));
            let normed = normalize(&x, &layer.forward_norm, epsilon);
            let mut gate = layer.gate.apply(&normed);
            for (gate, up) in gate.iter_mut().zip(layer.up.apply(&normed)) {
                *gate = *gate / (1.0 + (-*gate).exp()) * up;
            }
            add(&mut x, &layer.down.apply(&gate));
        }
        let last: Vec<f32> = asked.iter().flat_map(|at| &x[at * hidden..(at + 1) * hidden]).copied().collect();
        let logits = self.head.product(&normalize(&last, &self.norm, epsilon));
        logits.chunks_exact(self.head.rows()).map(<[f32]>::to_vec).collect()
    }

    /// The attention of one layer, before its output is projected.
    fn attend(
        &self,
        at: usize,
        layer: &Layer,
        x: &[f32],
        caches: &mut [Cache],
        places: &[Place],
        turns: &[Turn],
    ) -> Vec<f32> {
        let Shape { heads, key_heads, head, epsilon, .. } = self.shape;
        let mut queries = layer.query.apply(x);
        let mut keys = layer.key.apply(x);
        let values = layer.value.apply(x);
        if let Some(norm) = &layer.query_norm {
            queries = normalize(&queries, norm, epsilon);
        }
        if let Some(norm) = &layer.key_norm {
            keys = normalize(&keys, norm, epsilon);
        }
        self.rotate(&mut queries, heads, turns);
        self.rotate(&mut keys, key_heads, turns);
        let width = key_heads * head;
        for ((place, keys), values) in places.iter().zip(keys.chunks_exact(width)).zip(values.chunks_exact(width)) {
            let pairs = keys.chunks_exact(head).zip(values.chunks_exact(head));
            for (key_head, (key, value)) in pairs.enumerate() {
                caches[place.cache].push(at * key_heads + key_head, key, value);
            }
        }
        let shared = heads / key_heads * head;
        let scale = 1.0 / (head as f32).sqrt();
        let mut out = vec![0.0; queries.len()];
        let caches = &*caches;
        let one = |(index, out): (usize, &mut [f32])| {
            let place = places[index / key_heads];
            let memory = caches[place.cache].head(at * key_heads + index % key_heads);
            let seen = (place.position + 1) * head;
            let (keys, values) = (&memory.keys[..seen], &memory.values[..seen]);
            let queries = &queries[index * shared..(index + 1) * shared];
            Attend { queries, keys, values, width: head, scale, out }.run();
        };
        // A few places of a few tokens are done before another thread wakes up.
        let work: usize = places.iter().map(|place| place.position + 1).sum::<usize>() * heads * head;
        if work < 1 << 16 {
            out.chunks_mut(shared).enumerate().for_each(one);
        } else {
            out.par_chunks_mut(shared).enumerate().for_each(one);
        }
        out
    }

    fn turns(&self, places: &[Place]) -> Vec<Turn> {
        let angle = |position: usize, frequency: f32| (position as f32 * frequency).sin_cos();
        let turn = |place: &Place| self.frequencies.iter().map(|frequency| angle(place.position, *frequency)).collect();
        places.iter().map(turn).collect()
    }

    /// Turns each pair of each head by the angle of its place: the numbers of a pair are half a head apart.
    fn rotate(&self, rows: &mut [f32], heads: usize, turns: &[Turn]) {
        let head = self.shape.head;
        for (row, turn) in rows.chunks_exact_mut(heads * head).zip(turns) {
            for head in row.chunks_exact_mut(head) {
                let (first, second) = head.split_at_mut(turn.len());
                for ((a, b), (sin, cos)) in first.iter_mut().zip(second).zip(turn) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}

/// Where a token stands: in which memory, and at which place.
#[derive(Clone, Copy)]
struct Place {
    cache: usize,
    position: usize,
}

/// Sine and cosine of the angle of each pair.
type Turn = Vec<(f32, f32)>;

impl Linear {
    fn load(files: &mut Checkpoint, name: &str, rows: usize, cols: usize, dtype: Dtype) -> Result<Self, ModelError> {
        let weights = matrix(files, &format!("{name}.weight"), rows, cols, dtype)?;
        Ok(Self { weights, bias: optional_vector(files, &format!("{name}.bias"), rows)? })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.weights.product(x);
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(bias.len()) {
                add(row, bias);
            }
        }
        out
    }
}

/// Reads a matrix that must have this shape.
pub(crate) fn matrix(
    files: &mut Checkpoint,
    name: &str,
    rows: usize,
    cols: usize,
    dtype: Dtype,
) -> Result<Matrix, ModelError> {
    let tensor = files.read(name)?;
    if tensor.shape != [rows, cols] {
        return Err(invalid(format!("{name} has the shape {:?}, and should have [{rows}, {cols}]", tensor.shape)));
    }
    Ok(Matrix::new(tensor.stored, rows, cols, dtype))
}

/// Reads a vector that must have this length.
pub(crate) fn vector(files: &mut Checkpoint, name: &str, length: usize) -> Result<Vec<f32>, ModelError> {
    let tensor = files.read(name)?;
    if tensor.shape != [length] {
        return Err(invalid(format!("{name} has the shape {:?}, and should have [{length}]", tensor.shape)));
    }
    Ok(tensor.stored.floats())
}

fn optional_vector(files: &mut Checkpoint, name: &str, length: usize) -> Result<Option<Vec<f32>>, ModelError> {
    if files.has(name) { vector(files, name, length).map(Some) } else { Ok(None) }
}

/// Each row divided by its root mean square, and multiplied with the weights.
fn normalize(rows: &[f32], weights: &[f32], epsilon: f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(weights.len()) {
        let mean = kernel::dot(row, row) / row.len() as f32;
        let scale = 1.0 / (mean + epsilon).sqrt();
        out.extend(row.iter().zip(weights).map(|(x, weight)| x * scale * weight));
    }
    out
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}
