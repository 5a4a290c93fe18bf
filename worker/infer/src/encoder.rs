//! An encoder of the family of BERT: texts in, one vector for each out.
//!
//! Devlin et al., <https://arxiv.org/abs/1810.04805>; pooling as sentence-transformers does it. Texts of one pass lie one
//! after the other and look only at themselves, so nothing is padded.

use jobs_core::port::model::ModelError;
use jobs_inference::registry::Dtype;
use rayon::prelude::*;
use serde_json::Value;

use crate::{
    checkpoint::{Checkpoint, invalid},
    decoder::{matrix, vector},
    kernel::{self, Attend},
    matrix::Matrix,
};

/// The weights of an encoder.
pub(crate) struct Encoder {
    pub(crate) shape: EncoderShape,
    pub(crate) pooling: Pooling,
    words: Matrix,
    places: Matrix,
    /// The kind of text, of which there is one.
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

/// The sizes of an encoder.
#[derive(Debug, Clone)]
pub(crate) struct EncoderShape {
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    vocabulary: usize,
    /// Tokens that a text may have.
    pub(crate) context: usize,
    epsilon: f32,
}

/// How the vectors of tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pooling {
    /// The first token stands for all; the mean of all otherwise.
    first: bool,
    /// The vector is made one long.
    normalized: bool,
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    forward_norm: Norm,
}

struct Linear {
    weights: Matrix,
    bias: Vec<f32>,
}

struct Norm {
    weights: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl EncoderShape {
    /// Reads a `config.json`.
    pub(crate) fn of(config: &Value) -> Result<Self, ModelError> {
        let family = config["model_type"].as_str().unwrap_or_default();
        if family != "bert" {
            return Err(invalid(format!("models of type \"{family}\" make no vectors here: only bert does")));
        }
        if config["hidden_act"].as_str().is_some_and(|name| name != "gelu") {
            return Err(invalid(format!("the activation {} is not supported", config["hidden_act"])));
        }
        let size = |name: &str| {
            let size = config[name].as_u64().filter(|size| (1..=1 << 28).contains(size));
            size.map(|size| size as usize).ok_or_else(|| invalid(format!("the configuration has no {name}")))
        };
        let shape = Self {
            hidden: size("hidden_size")?,
            intermediate: size("intermediate_size")?,
            layers: size("num_hidden_layers")?,
            heads: size("num_attention_heads")?,
            vocabulary: size("vocab_size")?,
            context: size("max_position_embeddings")?,
            epsilon: config["layer_norm_eps"].as_f64().unwrap_or(1e-12) as f32,
        };
        if !shape.hidden.is_multiple_of(shape.heads) {
            return Err(invalid(format!("{} numbers cannot be shared by {} heads", shape.hidden, shape.heads)));
        }
        Ok(shape)
    }
}

impl Pooling {
    /// Reads what sentence-transformers writes beside the weights; without it, the mean, one long.
    pub(crate) fn of(files: &Checkpoint) -> Result<Self, ModelError> {
        let Some(pooling) = files.json("1_Pooling/config.json")? else {
            return Ok(Self { first: false, normalized: true });
        };
        let is = |name: &str| pooling[name].as_bool().unwrap_or(false);
        let first = is("pooling_mode_cls_token");
        if !first && !is("pooling_mode_mean_tokens") {
            return Err(invalid("only pooling by the first token or the mean is supported"));
        }
        let modules = files.json("modules.json")?.unwrap_or_default();
        let is_normalize = |module: &Value| module["type"].as_str().is_some_and(|name| name.ends_with("Normalize"));
        let normalized = modules.as_array().is_none_or(|modules| modules.iter().any(is_normalize));
        Ok(Self { first, normalized })
    }
}

impl Encoder {
    /// Reads the weights.
    pub(crate) fn load(
        files: &mut Checkpoint,
        shape: EncoderShape,
        pooling: Pooling,
        dtype: Dtype,
    ) -> Result<Self, ModelError> {
        let EncoderShape { hidden, intermediate, vocabulary, context, epsilon, .. } = shape;
        let prefix = if files.has("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
        let name = |part: &str| format!("{prefix}embeddings.{part}");
        let words = matrix(files, &name("word_embeddings.weight"), vocabulary, hidden, dtype)?;
        let places = matrix(files, &name("position_embeddings.weight"), context, hidden, Dtype::F32)?;
        let kinds = files.read(&name("token_type_embeddings.weight"))?;
        if kinds.shape.last() != Some(&hidden) {
            return Err(invalid(format!("the kinds of texts have the shape {:?}", kinds.shape)));
        }
        let kind = kinds.stored.floats()[..hidden].to_vec();
        let norm = Norm::load(files, &name("LayerNorm"), hidden, epsilon)?;
        let mut layers = Vec::new();
        for at in 0..shape.layers {
            let name = |part: &str| format!("{prefix}encoder.layer.{at}.{part}");
            let mut linear = |part: &str, rows, cols| Linear::load(files, &name(part), rows, cols, dtype);
            let query = linear("attention.self.query", hidden, hidden)?;
            let key = linear("attention.self.key", hidden, hidden)?;
            let value = linear("attention.self.value", hidden, hidden)?;
            let output = linear("attention.output.dense", hidden, hidden)?;
            let up = linear("intermediate.dense", intermediate, hidden)?;
            let down = linear("output.dense", hidden, intermediate)?;
            layers.push(Layer {
                query,
                key,
                value,
                output,
                attention_norm: Norm::load(files, &name("attention.output.LayerNorm"), hidden, epsilon)?,
                up,
                down,
                forward_norm: Norm::load(files, &name("output.LayerNorm"), hidden, epsilon)?,
            });
        }
        Ok(Self { shape, pooling, words, places, kind, norm, layers })
    }

    /// One vector for each text. None is longer than the context.
    pub(crate) fn forward(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let hidden = self.shape.hidden;
        let count: usize = texts.iter().map(|text| text.len()).sum();
        let mut x = vec![0.0; count * hidden];
        let tokens = texts.iter().flat_map(|text| text.iter().enumerate());
        let mut place = vec![0.0; hidden];
        for ((at, token), row) in tokens.zip(x.chunks_exact_mut(hidden)) {
            self.words.row(*token as usize, row);
            self.places.row(at, &mut place);
            for ((x, place), kind) in row.iter_mut().zip(&place).zip(&self.kind) {
                *x += place + kind;
            }
        }
        self.norm.apply(&mut x);
        for layer in &self.layers {
            let mixed = self.attend(layer, &x, texts);
            add(&mut x, &layer.output.apply(&mixed));
            layer.attention_norm.apply(&mut x);
            let mut inner = layer.up.apply(&x);
            inner.iter_mut().for_each(|x| *x = gelu(*x));
            add(&mut x, &layer.down.apply(&inner));
            layer.forward_norm.apply(&mut x);
        }
        let mut from = 0;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            let rows = &x[from * hidden..(from + text.len()) * hidden];
            vectors.push(self.pool(rows));
            from += text.len();
        }
        vectors
    }

    fn attend(&self, layer: &Layer, x: &[f32], texts: &[&[u32]]) -> Vec<f32> {
        let EncoderShape { hidden, heads, .. } = self.shape;
        let head = hidden / heads;
        let scale = 1.0 / (head as f32).sqrt();
        let (queries, keys, values) = (layer.query.apply(x), layer.key.apply(x), layer.value.apply(x));
        let spans = texts.iter().scan(0, |from, text| {
            *from += text.len();
            Some((*from - text.len(), text.len()))
        });
        let jobs: Vec<(usize, usize, usize)> =
            spans.flat_map(|(from, length)| (0..heads).map(move |at| (from, length, at))).collect();
        // The rows of a head lie apart, so each job gathers its own and gives its own back.
        let of_head = |rows: &[f32], (from, length, at): (usize, usize, usize)| -> Vec<f32> {
            let rows = rows[from * hidden..(from + length) * hidden].chunks_exact(hidden);
            rows.flat_map(|row| row[at * head..(at + 1) * head].iter().copied()).collect()
        };
        let parts: Vec<Vec<f32>> = jobs
            .par_iter()
            .map(|job| {
                let (queries, keys, values) = (of_head(&queries, *job), of_head(&keys, *job), of_head(&values, *job));
                let mut out = vec![0.0; queries.len()];
                Attend { queries: &queries, keys: &keys, values: &values, width: head, scale, out: &mut out }.run();
                out
            })
            .collect();
        let mut out = vec![0.0; x.len()];
        for ((from, _, at), part) in jobs.into_iter().zip(parts) {
            for (row, part) in part.chunks_exact(head).enumerate() {
                out[(from + row) * hidden + at * head..][..head].copy_from_slice(part);
            }
        }
        out
    }

    fn pool(&self, rows: &[f32]) -> Vec<f32> {
        let hidden = self.shape.hidden;
        let mut vector = rows[..hidden.min(rows.len())].to_vec();
        if !self.pooling.first {
            for row in rows.chunks_exact(hidden).skip(1) {
                add(&mut vector, row);
            }
            let count = (rows.len() / hidden) as f32;
            vector.iter_mut().for_each(|x| *x /= count);
        }
        if self.pooling.normalized {
            let length = kernel::dot(&vector, &vector).sqrt().max(1e-12);
            vector.iter_mut().for_each(|x| *x /= length);
        }
        vector
    }
}

impl Linear {
    fn load(files: &mut Checkpoint, name: &str, rows: usize, cols: usize, dtype: Dtype) -> Result<Self, ModelError> {
        let weights = matrix(files, &format!("{name}.weight"), rows, cols, dtype)?;
        Ok(Self { weights, bias: vector(files, &format!("{name}.bias"), rows)? })
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.weights.product(x);
        for row in out.chunks_exact_mut(self.bias.len()) {
            add(row, &self.bias);
        }
        out
    }
}

impl Norm {
    fn load(files: &mut Checkpoint, name: &str, length: usize, epsilon: f32) -> Result<Self, ModelError> {
        let weights = vector(files, &format!("{name}.weight"), length)?;
        Ok(Self { weights, bias: vector(files, &format!("{name}.bias"), length)?, epsilon })
    }

    /// Each row with a mean of nought and a deviation of one, then scaled and moved.
    fn apply(&self, rows: &mut [f32]) {
        let count = self.weights.len() as f32;
        for row in rows.chunks_exact_mut(self.weights.len()) {
            let mean = row.iter().sum::<f32>() / count;
            row.iter_mut().for_each(|x| *x -= mean);
            let scale = 1.0 / (kernel::dot(row, row) / count + self.epsilon).sqrt();
            for ((x, weight), bias) in row.iter_mut().zip(&self.weights).zip(&self.bias) {
                *x = *x * scale * weight + bias;
            }
        }
    }
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

/// `x · Φ(x)`, with the error function after Abramowitz and Stegun, 7.1.26: off by 1.5e-7 at most.
fn gelu(x: f32) -> f32 {
    let y = f64::from(x.abs()) / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * y);
    let polynomial =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let erf = (1.0 - polynomial * (-y * y).exp()).copysign(f64::from(x));
    (0.5 * f64::from(x) * (1.0 + erf)) as f32
}
