//! Weights as GGUF, the format of llama.cpp: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3.
//!
//! Every length in a file is checked against the length of the file before anything is set aside for it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use jobs_core::port::model::ModelError;
use serde_json::{Map, Value, json};

use super::{Format, Place, invalid};
use crate::matrix::Stored;

const MAGIC: &[u8; 4] = b"GGUF";
/// More tensors or settings than any model has.
const MAX_ENTRIES: u64 = 1 << 20;
/// The longest text that is kept. Templates are a few kilobytes; words of the vocabulary are read over.
const MAX_TEXT_BYTES: u64 = 4 << 20;
const DEFAULT_ALIGNMENT: u64 = 32;

/// An open file: what it says about itself, and where its tensors are.
pub(super) struct Gguf {
    file: File,
    architecture: String,
    settings: BTreeMap<String, Value>,
    /// By their names in the file.
    places: BTreeMap<String, Place>,
}

/// Names of tensors on the hub, without layer and suffix, and what this format calls them.
const NAMES: [(&str, &str); 14] = [
    ("embed_tokens", "token_embd"),
    ("norm", "output_norm"),
    ("lm_head", "output"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

impl Gguf {
    /// Opens a file and reads all but its tensors.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let fault = |why: String| invalid(format!("{}: {why}", path.display()));
        let file = File::open(path).map_err(|error| fault(error.to_string()))?;
        let length = file.metadata().map_err(|error| fault(error.to_string()))?.len();
        let mut reader = Reader { inner: BufReader::new(&file), length };
        let (settings, mut places, start) = reader.header().map_err(fault)?;
        for (name, place) in &mut places {
            place.offset = place.offset.checked_add(start).ok_or_else(|| fault(format!("{name} is nowhere")))?;
            if place.offset.checked_add(place.bytes).is_none_or(|end| end > length) {
                return Err(fault(format!("is cut short: {name} is not in it")));
            }
        }
        let architecture = settings.get("general.architecture").and_then(Value::as_str);
        let architecture = architecture.ok_or_else(|| fault("names no architecture".to_owned()))?.to_owned();
        Ok(Self { file, architecture, settings, places })
    }

    /// What the file says, in the words of a `config.json`.
    pub(super) fn config(&self) -> Result<Value, ModelError> {
        let setting = |name: &str| self.settings.get(&format!("{}.{name}", self.architecture)).cloned();
        let needed = |name: &str| setting(name).ok_or_else(|| invalid(format!("the file says nothing about {name}")));
        let mut config = Map::new();
        config.insert("model_type".to_owned(), json!(self.architecture));
        config.insert("hidden_size".to_owned(), needed("embedding_length")?);
        config.insert("intermediate_size".to_owned(), needed("feed_forward_length")?);
        config.insert("num_hidden_layers".to_owned(), needed("block_count")?);
        config.insert("num_attention_heads".to_owned(), needed("attention.head_count")?);
        config.insert("max_position_embeddings".to_owned(), needed("context_length")?);
        config.insert("rms_norm_eps".to_owned(), needed("attention.layer_norm_rms_epsilon")?);
        let optional = [
            ("num_key_value_heads", setting("attention.head_count_kv")),
            ("head_dim", setting("attention.key_length").or_else(|| setting("rope.dimension_count"))),
            ("rope_theta", setting("rope.freq_base")),
            ("eos_token_id", self.settings.get("tokenizer.ggml.eos_token_id").cloned()),
            ("bos_token_id", self.settings.get("tokenizer.ggml.bos_token_id").cloned()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                config.insert(name.to_owned(), value);
            }
        }
        let is_scaled = setting("rope.scaling.type").is_some_and(|kind| kind != "none");
        if is_scaled || self.places.contains_key("rope_freqs.weight") {
            return Err(invalid("GGUF files with scaled rotations are not supported: use the safetensors"));
        }
        let vocabulary = self.places.get("token_embd.weight").and_then(|place| place.shape.first());
        let vocabulary = vocabulary.ok_or_else(|| invalid("the file has no token_embd.weight"))?;
        config.insert("vocab_size".to_owned(), json!(vocabulary));
        config.insert("tie_word_embeddings".to_owned(), json!(!self.places.contains_key("output.weight")));
        Ok(Value::Object(config))
    }

    /// The chat template, if the file has one.
    pub(super) fn template(&self) -> Option<String> {
        self.settings.get("tokenizer.chat_template")?.as_str().map(str::to_owned)
    }

    pub(super) fn place(&self, name: &str) -> Option<(&File, Place)> {
        self.places.get(&translate(name)?).map(|place| (&self.file, place.clone()))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }

    /// The tensor with its rows in the order of the hub.
    ///
    /// Files of Llama have the two halves of each head interleaved in queries and keys.
    pub(super) fn reorder(&self, name: &str, stored: Stored, cols: usize) -> Stored {
        let is_query = name.contains("self_attn.q_proj");
        let is_interleaved = self.architecture == "llama" && (is_query || name.contains("self_attn.k_proj"));
        let setting = |name: &str| self.settings.get(&format!("{}.{name}", self.architecture)).and_then(Value::as_u64);
        let heads = setting("attention.head_count");
        let heads = if is_query { heads } else { setting("attention.head_count_kv").or(heads) };
        let (true, Some(heads)) = (is_interleaved, heads) else { return stored };
        let rows = self.places.get(&translate(name).unwrap_or_default()).map_or(0, |place| place.shape[0]);
        let width = rows / (heads as usize).max(1);
        if width < 2 || !rows.is_multiple_of(width) {
            return stored;
        }
        let cols = if name.ends_with("bias") { 1 } else { cols };
        stored.reorder(cols, |row| {
            let (head, at) = (row / width * width, row % width);
            let half = width / 2;
            head + if at < half { 2 * at } else { 2 * (at - half) + 1 }
        })
    }
}

/// The name in this format of a tensor on the hub.
fn translate(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let stem = stem.strip_prefix("model.").unwrap_or(stem);
    let known = |stem: &str| NAMES.iter().find(|(hub, _)| *hub == stem).map(|(_, gguf)| *gguf);
    match stem.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
        Some((layer, stem)) => Some(format!("blk.{layer}.{}.{suffix}", known(stem)?)),
        None => Some(format!("{}.{suffix}", known(stem)?)),
    }
}

/// Reads the header. What is wrong is said in a few words.
struct Reader<'a> {
    inner: BufReader<&'a File>,
    length: u64,
}

type Header = (BTreeMap<String, Value>, BTreeMap<String, Place>, u64);

impl Reader<'_> {
    fn header(&mut self) -> Result<Header, String> {
        if &self.bytes::<4>()? != MAGIC {
            return Err("is no GGUF file".to_owned());
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("is of version {version}, and only 2 and 3 can be read"));
        }
        let (tensors, settings) = (self.count()?, self.count()?);
        let mut known = BTreeMap::new();
        for _ in 0..settings {
            let name = self.text()?;
            let kind = self.u32()?;
            if let Some(value) = self.value(kind)? {
                known.insert(name, value);
            }
        }
        let mut places = BTreeMap::new();
        for _ in 0..tensors {
            let (name, place) = self.place()?;
            places.insert(name, place);
        }
        let alignment = known.get("general.alignment").and_then(Value::as_u64).unwrap_or(DEFAULT_ALIGNMENT);
        if alignment == 0 || alignment > 1 << 20 {
            return Err(format!("is aligned to {alignment} bytes"));
        }
        let position = self.inner.stream_position().map_err(|error| error.to_string())?;
        Ok((known, places, position.next_multiple_of(alignment)))
    }

    fn place(&mut self) -> Result<(String, Place), String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err(format!("{name} has {dimensions} dimensions"));
        }
        let mut shape = Vec::new();
        let mut numbers = Some(1u64);
        for _ in 0..dimensions {
            let side = self.u64()?;
            numbers = numbers.and_then(|numbers| numbers.checked_mul(side));
            shape.push(usize::try_from(side).map_err(|_| format!("{name} is too large"))?);
        }
        // The format names the shortest stride first.
        shape.reverse();
        let kind = self.u32()?;
        let format = match kind {
            0 => Format::F32,
            1 => Format::F16,
            2 => Format::Q4,
            8 => Format::Q8,
            30 => Format::Bf16,
            _ => {
                return Err(format!("{name} is stored as type {kind}: only f32, f16, bf16, q8_0 and q4_0 can be read"));
            }
        };
        let row = shape.last().map_or(0, |cols| *cols as u64);
        let is_whole = format.bytes(row).is_some();
        let bytes = numbers.and_then(|numbers| format.bytes(numbers)).filter(|_| is_whole);
        let bytes = bytes.ok_or_else(|| format!("{name} is too large, or cut across a block"))?;
        let offset = self.u64()?;
        Ok((name, Place { format, shape, offset, bytes }))
    }

    /// A setting; none where it is a list, which nobody asks for.
    fn value(&mut self, kind: u32) -> Result<Option<Value>, String> {
        Ok(Some(match kind {
            0 => json!(self.bytes::<1>()?[0]),
            1 => json!(i8::from_le_bytes(self.bytes()?)),
            2 => json!(u16::from_le_bytes(self.bytes()?)),
            3 => json!(i16::from_le_bytes(self.bytes()?)),
            4 => json!(self.u32()?),
            5 => json!(i32::from_le_bytes(self.bytes()?)),
            6 => json!(f32::from_le_bytes(self.bytes()?)),
            7 => json!(self.bytes::<1>()?[0] != 0),
            8 => Value::String(self.text()?),
            9 => {
                self.skip_list()?;
                return Ok(None);
            }
            10 => json!(self.u64()?),
            11 => json!(i64::from_le_bytes(self.bytes()?)),
            12 => json!(f64::from_le_bytes(self.bytes()?)),
            other => return Err(format!("has a setting of the unknown type {other}")),
        }))
    }

    fn skip_list(&mut self) -> Result<(), String> {
        let kind = self.u32()?;
        let count = self.u64()?;
        let width = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            8 => {
                // Each takes eight bytes at least, so the file's length bounds the loop.
                for _ in 0..count {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
                return Ok(());
            }
            _ => return Err("has a list of lists".to_owned()),
        };
        self.skip(count.checked_mul(width).ok_or("is cut short")?)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), String> {
        let position = self.inner.stream_position().map_err(|error| error.to_string())?;
        let offset = i64::try_from(bytes).ok().filter(|_| bytes <= self.length.saturating_sub(position));
        let offset = offset.ok_or("is cut short")?;
        self.inner.seek_relative(offset).map_err(|error| error.to_string())
    }

    fn count(&mut self) -> Result<u64, String> {
        let count = self.u64()?;
        if count > MAX_ENTRIES { Err(format!("says that it has {count} entries")) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<String, String> {
        let bytes = self.u64()?;
        if bytes > MAX_TEXT_BYTES.min(self.length) {
            return Err("is cut short, or has a text that is too long".to_owned());
        }
        let mut text = Vec::new();
        let read = self.inner.by_ref().take(bytes).read_to_end(&mut text).map_err(|error| error.to_string())?;
        if (read as u64) < bytes {
            return Err("is cut short".to_owned());
        }
        String::from_utf8(text).map_err(|_| "has a name that is no text".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes).map_err(|_| "is cut short".to_owned())?;
        Ok(bytes)
    }
}
