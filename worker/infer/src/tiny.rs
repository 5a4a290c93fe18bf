//! Models with random weights, for tests and demonstrations: they say nothing that makes sense, in the right form.
//!
//! The same seed makes the same files on any machine: the numbers are sums of integers, and no library's generator is asked.

mod tokenizer;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use half::bf16;
use serde_json::{Map, Value, json};

/// A model to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiny {
    /// Which layers it has.
    pub family: Family,
    /// What its weights are drawn from.
    pub seed: u64,
    /// Tokens that there are. Where the words run out, more are made up.
    pub vocabulary: usize,
    /// Numbers that stand for a token between layers.
    pub hidden: usize,
    /// Numbers within the feed-forward part of a layer.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub key_heads: usize,
    /// Tokens that fit into its context.
    pub context: usize,
    /// Whether its weights are stored in 16 bits.
    pub half: bool,
}

/// Which layers a model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A decoder as Llama and SmolLM2, with an output layer of its own.
    Llama,
    /// A decoder with biases, whose output layer is its first one.
    Qwen2,
    /// A decoder with norms of the heads of queries and keys.
    Qwen3,
    /// An encoder.
    Bert,
}

const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + \
                        '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' \
                        }}{% endif %}";

impl Tiny {
    /// A model of about a million parameters.
    #[must_use]
    pub fn new(family: Family, seed: u64) -> Self {
        Self {
            family,
            seed,
            vocabulary: 2_048,
            hidden: 128,
            intermediate: 352,
            layers: 3,
            heads: 8,
            key_heads: if family == Family::Bert { 8 } else { 4 },
            context: 2_048,
            half: false,
        }
    }

    /// Writes the files of the model into a directory, which is made if it is not there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let json = |name: &str, value: &Value| fs::write(dir.join(name), serde_json::to_vec_pretty(value)?);
        json("config.json", &self.config())?;
        json("tokenizer.json", &tokenizer::document(self.family, self.vocabulary))?;
        if self.family == Family::Bert {
            fs::create_dir_all(dir.join("1_Pooling"))?;
            json("1_Pooling/config.json", &json!({ "pooling_mode_mean_tokens": true }))?;
            json("modules.json", &json!([{ "type": "sentence_transformers.models.Normalize" }]))?;
        } else {
            fs::write(dir.join("chat_template.jinja"), TEMPLATE)?;
            let settings = json!({
                "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>",
                "pad_token": "<|im_end|>", "clean_up_tokenization_spaces": false,
            });
            json("tokenizer_config.json", &settings)?;
        }
        self.weights(&mut BufWriter::new(File::create(dir.join("model.safetensors"))?))
    }

    fn config(&self) -> Value {
        let mut config = json!({
            "hidden_size": self.hidden, "intermediate_size": self.intermediate, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "vocab_size": self.vocabulary, "max_position_embeddings": self.context,
            "torch_dtype": if self.half { "bfloat16" } else { "float32" },
        });
        let more = if self.family == Family::Bert {
            json!({
                "model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                "type_vocab_size": 2, "pad_token_id": 0,
            })
        } else {
            let (name, class) = match self.family {
                Family::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
                Family::Qwen3 => ("qwen3", "Qwen3ForCausalLM"),
                _ => ("llama", "LlamaForCausalLM"),
            };
            json!({
                "model_type": name, "architectures": [class], "hidden_act": "silu", "rms_norm_eps": 1e-5,
                "rope_theta": 100_000.0, "num_key_value_heads": self.key_heads, "head_dim": self.hidden / self.heads,
                "tie_word_embeddings": self.is_tied(), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
            })
        };
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
        }
        config
    }

    fn is_tied(&self) -> bool {
        self.family == Family::Qwen2
    }

    /// The tensors: names, shapes, and around what and how far their numbers are spread.
    fn tensors(&self) -> Vec<(String, Vec<usize>, Spread)> {
        let mut tensors = Vec::new();
        let (hidden, inner) = (self.hidden, self.intermediate);
        let head = hidden / self.heads;
        let weights = Spread { around: 0.0, by: 1.25 / (hidden as f32).sqrt() };
        let norm = Spread { around: 1.0, by: 0.1 };
        let bias = Spread { around: 0.0, by: 0.1 };
        let mut add = |name: String, shape: &[usize], spread: Spread| tensors.push((name, shape.to_vec(), spread));
        if self.family == Family::Bert {
            for (name, rows) in [("word", self.vocabulary), ("position", self.context), ("token_type", 2)] {
                add(format!("embeddings.{name}_embeddings.weight"), &[rows, hidden], weights);
            }
            add("embeddings.LayerNorm.weight".to_owned(), &[hidden], norm);
            add("embeddings.LayerNorm.bias".to_owned(), &[hidden], bias);
            for layer in 0..self.layers {
                let at = |part: &str| format!("encoder.layer.{layer}.{part}");
                let parts = [
                    ("attention.self.query", hidden, hidden),
                    ("attention.self.key", hidden, hidden),
                    ("attention.self.value", hidden, hidden),
                    ("attention.output.dense", hidden, hidden),
                    ("intermediate.dense", inner, hidden),
                    ("output.dense", hidden, inner),
                ];
                for (name, rows, cols) in parts {
                    add(at(&format!("{name}.weight")), &[rows, cols], weights);
                    add(at(&format!("{name}.bias")), &[rows], bias);
                }
                for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
                    add(at(&format!("{name}.weight")), &[hidden], norm);
                    add(at(&format!("{name}.bias")), &[hidden], bias);
                }
            }
            return tensors;
        }
        add("model.embed_tokens.weight".to_owned(), &[self.vocabulary, hidden], weights);
        if !self.is_tied() {
            add("lm_head.weight".to_owned(), &[self.vocabulary, hidden], weights);
        }
        add("model.norm.weight".to_owned(), &[hidden], norm);
        let keys = self.key_heads * head;
        for layer in 0..self.layers {
            let at = |part: &str| format!("model.layers.{layer}.{part}");
            for (name, rows) in [("q", hidden), ("k", keys), ("v", keys)] {
                add(at(&format!("self_attn.{name}_proj.weight")), &[rows, hidden], weights);
                if self.family == Family::Qwen2 {
                    add(at(&format!("self_attn.{name}_proj.bias")), &[rows], bias);
                }
            }
            if self.family == Family::Qwen3 {
                add(at("self_attn.q_norm.weight"), &[head], norm);
                add(at("self_attn.k_norm.weight"), &[head], norm);
            }
            add(at("self_attn.o_proj.weight"), &[hidden, hidden], weights);
            add(at("mlp.gate_proj.weight"), &[inner, hidden], weights);
            add(at("mlp.up_proj.weight"), &[inner, hidden], weights);
            add(at("mlp.down_proj.weight"), &[hidden, inner], weights);
            add(at("input_layernorm.weight"), &[hidden], norm);
            add(at("post_attention_layernorm.weight"), &[hidden], norm);
        }
        tensors
    }

    /// Writes the weights one number at a time: a large model takes no more memory than a small one.
    fn weights(&self, out: &mut impl Write) -> io::Result<()> {
        let tensors = self.tensors();
        let (dtype, width) = if self.half { ("BF16", 2) } else { ("F32", 4) };
        let mut header = Map::new();
        header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
        let mut offset = 0;
        for (name, shape, _) in &tensors {
            let end = offset + shape.iter().product::<usize>() * width;
            header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] }));
            offset = end;
        }
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (name, shape, spread) in tensors {
            let mut random = Random(self.seed ^ name_hash(&name));
            for _ in 0..shape.iter().product() {
                let number = spread.around + spread.by * random.next();
                if self.half {
                    out.write_all(&bf16::from_f32(number).to_le_bytes())?;
                } else {
                    out.write_all(&number.to_le_bytes())?;
                }
            }
        }
        out.flush()
    }
}

#[derive(Clone, Copy)]
struct Spread {
    around: f32,
    by: f32,
}

/// SplitMix64: Steele, Lea and Flood, <https://doi.org/10.1145/2660193.2660195>.
struct Random(u64);

impl Random {
    /// A number around nought with a deviation of one, nearly as a bell curve has it: the sum of four even ones.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xFFFF).sum();
        // Four even numbers from 0 to 65535 deviate by 37837 from their mean of 131070.
        (sum as f32 - 131_070.0) / 37_837.0
    }
}

/// FNV-1a.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}
