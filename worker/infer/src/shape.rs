//! The shape of a decoder: what the configuration of a model says about its layers.

use jobs_core::port::model::ModelError;
use serde_json::Value;

use crate::checkpoint::invalid;

/// Families of decoders that this engine computes; they differ in biases and norms that the weights have or lack.
const FAMILIES: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

/// The sizes of a decoder of the family of Llama.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// Numbers that stand for a token between layers.
    pub(crate) hidden: usize,
    /// Numbers within the feed-forward part of a layer.
    pub(crate) intermediate: usize,
    pub(crate) layers: usize,
    /// Heads of queries.
    pub(crate) heads: usize,
    /// Heads of keys and values. Several heads of queries share one.
    pub(crate) key_heads: usize,
    /// Numbers of a head.
    pub(crate) head: usize,
    /// Tokens that there are.
    pub(crate) vocabulary: usize,
    /// Tokens that fit into its context.
    pub(crate) context: usize,
    /// What keeps a norm from dividing by nought.
    pub(crate) epsilon: f32,
    /// Whether the weights of the first layer are those of the last one, too.
    pub(crate) tied: bool,
    pub(crate) rotation: Rotation,
}

/// How positions are turned into angles.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    pub(crate) base: f32,
    pub(crate) scaling: Scaling,
}

/// How a model was taught positions beyond those that it was made with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scaling {
    None,
    /// Positions are divided by a factor.
    Linear(f32),
    /// Slow rotations are made slower, fast ones are kept (Llama 3.1).
    Llama3 {
        factor: f32,
        low: f32,
        high: f32,
        original: f32,
    },
}

impl Shape {
    /// Reads a `config.json`, as versions 4 and 5 of transformers write it.
    pub(crate) fn of(config: &Value) -> Result<Self, ModelError> {
        let family = config["model_type"].as_str().unwrap_or_default();
        if !FAMILIES.contains(&family) {
            let known = FAMILIES.join(", ");
            return Err(invalid(format!("models of type \"{family}\" are not supported: only {known}")));
        }
        if config["quantization_config"].is_object() {
            return Err(invalid("weights that were quantised by others are only read from GGUF files"));
        }
        let is_sliding = config["use_sliding_window"].as_bool().unwrap_or(family == "mistral");
        if is_sliding && config["sliding_window"].is_number() {
            return Err(invalid("attention through a sliding window is not supported"));
        }
        if config["hidden_act"].as_str().is_some_and(|name| name != "silu") {
            return Err(invalid(format!("the activation {} is not supported", config["hidden_act"])));
        }
        let (hidden, heads) = (size(config, "hidden_size")?, size(config, "num_attention_heads")?);
        let key_heads = optional(config, "num_key_value_heads")?.unwrap_or(heads);
        let head = optional(config, "head_dim")?.unwrap_or(hidden / heads);
        if !heads.is_multiple_of(key_heads) || !head.is_multiple_of(2) {
            return Err(invalid(format!("{heads} heads of {head} cannot share {key_heads} heads of keys")));
        }
        Ok(Self {
            hidden,
            intermediate: size(config, "intermediate_size")?,
            layers: size(config, "num_hidden_layers")?,
            heads,
            key_heads,
            head,
            vocabulary: size(config, "vocab_size")?,
            context: size(config, "max_position_embeddings")?,
            epsilon: config["rms_norm_eps"].as_f64().unwrap_or(1e-6) as f32,
            tied: config["tie_word_embeddings"].as_bool().unwrap_or(false),
            rotation: Rotation::of(config)?,
        })
    }

    /// Bytes that a place in a context takes in the memory of keys and values.
    pub(crate) fn bytes_per_token(&self) -> u64 {
        (2 * self.layers * self.key_heads * self.head * size_of::<f32>()) as u64
    }
}

impl Rotation {
    fn of(config: &Value) -> Result<Self, ModelError> {
        // Since its version 5 transformers puts everything about rotations into one object.
        let settings =
            [&config["rope_parameters"], &config["rope_scaling"]].into_iter().find(|found| found.is_object());
        let base =
            config["rope_theta"].as_f64().or_else(|| settings?["rope_theta"].as_f64()).unwrap_or(10_000.0) as f32;
        let Some(settings) = settings else { return Ok(Self { base, scaling: Scaling::None }) };
        let kind = settings["rope_type"].as_str().or_else(|| settings["type"].as_str()).unwrap_or("default");
        let number = |name: &str| {
            let number = settings[name].as_f64().filter(|number| *number > 0.0);
            number.map(|number| number as f32).ok_or_else(|| invalid(format!("rope scaling needs {name}")))
        };
        let scaling = match kind {
            "default" => Scaling::None,
            "linear" => Scaling::Linear(number("factor")?),
            "llama3" => Scaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                original: number("original_max_position_embeddings")?,
            },
            other => return Err(invalid(format!("rope scaling of type \"{other}\" is not supported"))),
        };
        Ok(Self { base, scaling })
    }

    /// The angles by which one place turns the pairs of a head of `head` numbers.
    pub(crate) fn frequencies(&self, head: usize) -> Vec<f32> {
        let plain = (0..head / 2).map(|pair| 1.0 / self.base.powf((2 * pair) as f32 / head as f32));
        plain.map(|frequency| self.scale(frequency)).collect()
    }

    fn scale(&self, frequency: f32) -> f32 {
        match self.scaling {
            Scaling::None => frequency,
            Scaling::Linear(factor) => frequency / factor,
            Scaling::Llama3 { factor, low, high, original } => {
                let length = 2.0 * std::f32::consts::PI / frequency;
                if length > original / low {
                    return frequency / factor;
                }
                if length < original / high {
                    return frequency;
                }
                let kept = (original / length - low) / (high - low);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

/// A size that must be there: none is nought, and none is so large that products of two overflow.
fn size(config: &Value, name: &str) -> Result<usize, ModelError> {
    optional(config, name)?.ok_or_else(|| invalid(format!("the configuration has no {name}")))
}

fn optional(config: &Value, name: &str) -> Result<Option<usize>, ModelError> {
    let value = &config[name];
    if value.is_null() {
        return Ok(None);
    }
    let size = value.as_u64().filter(|size| (1..=1 << 28).contains(size));
    let size = size.ok_or_else(|| invalid(format!("{name} is {value}, which is no size")))?;
    Ok(Some(size as usize))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Value {
        json!({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 256,
        })
    }

    #[test]
    fn the_base_of_rotations_is_found_where_either_version_writes_it() {
        let mut old = config();
        old["rope_theta"] = json!(500_000.0);
        let mut new = config();
        new["rope_parameters"] = json!({ "rope_type": "default", "rope_theta": 500_000.0 });
        assert_eq!(Shape::of(&old).unwrap(), Shape::of(&new).unwrap());
        assert!((Shape::of(&new).unwrap().rotation.base - 500_000.0).abs() < 1.0);
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_its_name() {
        for (name, value) in [
            ("model_type", json!("mamba")),
            ("hidden_act", json!("gelu")),
            ("rope_scaling", json!({ "type": "yarn" })),
            ("num_key_value_heads", json!(3)),
            ("hidden_size", json!(-1)),
            ("vocab_size", json!(null)),
        ] {
            let mut config = config();
            config[name] = value;
            assert!(Shape::of(&config).is_err(), "{name}");
        }
    }
}
