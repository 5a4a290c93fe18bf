//! The files of a model: its configuration and its tensors, read one at a time.
//!
//! Files are read, not mapped into memory: each tensor is turned into what the engine computes with and its bytes are
//! dropped, so the peak is one tensor above what stays; and a file that is cut short while it is read is an error, where a
//! mapping would end the process.

mod gguf;
mod safetensors;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use jobs_core::port::model::{ModelError, ModelFault};
use serde_json::Value;

use self::{gguf::Gguf, safetensors::Safetensors};
use crate::matrix::{BLOCK, Block4, Block8, Stored};

/// The largest JSON file that is read.
const MAX_JSON_BYTES: u64 = 64 << 20;

/// The files of one model.
pub(crate) struct Checkpoint {
    /// Where its tokenizer and its templates are.
    pub(crate) dir: PathBuf,
    /// Its configuration, in the words of the hub; of a GGUF translated into them.
    pub(crate) config: Value,
    /// A chat template that is in the file of the weights.
    pub(crate) template: Option<String>,
    files: Files,
}

enum Files {
    Safetensors(Safetensors),
    Gguf(Gguf),
}

/// How the numbers of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    F32,
    F16,
    Bf16,
    Q8,
    Q4,
}

/// Where a tensor is in a file.
#[derive(Debug, Clone)]
struct Place {
    format: Format,
    /// How many rows and how many numbers in each; a vector is one row.
    shape: Vec<usize>,
    offset: u64,
    bytes: u64,
}

/// A tensor that was read.
pub(crate) struct Tensor {
    /// Its dimensions, the longest stride first.
    pub(crate) shape: Vec<usize>,
    /// Its numbers.
    pub(crate) stored: Stored,
}

/// A fault of a model's files.
pub(crate) fn invalid(message: impl Into<String>) -> ModelError {
    ModelError::new(ModelFault::ModelInvalid, message)
}

impl Checkpoint {
    /// Opens a directory of safetensors or a GGUF file, and reads what it says about itself.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            let config = json(&path.join("config.json"))?;
            let files = Files::Safetensors(Safetensors::open(path)?);
            return Ok(Self { dir: path.to_owned(), config, template: None, files });
        }
        let gguf = Gguf::open(path)?;
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { dir, config: gguf.config()?, template: gguf.template(), files: Files::Gguf(gguf) })
    }

    /// Whether a tensor is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.files {
            Files::Safetensors(files) => files.place(name).is_some(),
            Files::Gguf(file) => file.place(name).is_some(),
        }
    }

    /// Reads a tensor by its name on the hub.
    pub(crate) fn read(&mut self, name: &str) -> Result<Tensor, ModelError> {
        let missing = || invalid(format!("the weights have no {name}"));
        let (file, place) = match &mut self.files {
            Files::Safetensors(files) => files.place(name).ok_or_else(missing)?,
            Files::Gguf(file) => file.place(name).ok_or_else(missing)?,
        };
        let bytes = usize::try_from(place.bytes).map_err(|_| missing())?;
        let mut buffer = vec![0; bytes];
        let mut file = file;
        file.seek(SeekFrom::Start(place.offset))
            .and_then(|_| file.read_exact(&mut buffer))
            .map_err(|error| invalid(format!("cannot read {name}: {error}")))?;
        let stored = decode(place.format, &buffer);
        let cols = place.shape.last().copied().unwrap_or(1);
        Ok(match &self.files {
            Files::Gguf(gguf) => {
                let stored = gguf.reorder(name, stored, cols);
                Tensor { shape: place.shape, stored }
            }
            Files::Safetensors(_) => Tensor { shape: place.shape, stored },
        })
    }

    /// How many bytes a number takes on average, and how many numbers there are.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let places: Box<dyn Iterator<Item = &Place>> = match &self.files {
            Files::Safetensors(files) => Box::new(files.places()),
            Files::Gguf(file) => Box::new(file.places()),
        };
        places.fold((0, 0), |(bytes, numbers), place| {
            let more: u64 = place.shape.iter().map(|side| *side as u64).product();
            (bytes + place.bytes, numbers + more)
        })
    }

    /// Another file beside the weights, if it is there.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, ModelError> {
        let path = self.dir.join(name);
        if path.exists() { json(&path).map(Some) } else { Ok(None) }
    }
}

impl Format {
    /// The bytes of so many numbers, if they can be stored so.
    fn bytes(self, numbers: u64) -> Option<u64> {
        let block = BLOCK as u64;
        match self {
            Self::F32 => numbers.checked_mul(4),
            Self::F16 | Self::Bf16 => numbers.checked_mul(2),
            Self::Q8 if numbers.is_multiple_of(block) => (numbers / block).checked_mul(34),
            Self::Q4 if numbers.is_multiple_of(block) => (numbers / block).checked_mul(18),
            Self::Q8 | Self::Q4 => None,
        }
    }
}

/// Reads a JSON file that is not larger than one of its kind is.
pub(crate) fn json(path: &Path) -> Result<Value, ModelError> {
    let text = text(path)?;
    serde_json::from_str(&text).map_err(|error| invalid(format!("{}: {error}", path.display())))
}

/// Reads a text file that is not larger than one of its kind is.
pub(crate) fn text(path: &Path) -> Result<String, ModelError> {
    let fault = |error: std::io::Error| invalid(format!("{}: {error}", path.display()));
    let mut text = String::new();
    let read = File::open(path).map_err(fault)?.take(MAX_JSON_BYTES + 1).read_to_string(&mut text).map_err(fault)?;
    if read as u64 > MAX_JSON_BYTES {
        return Err(invalid(format!("{}: more than {MAX_JSON_BYTES} bytes", path.display())));
    }
    Ok(text)
}

/// The numbers in `bytes`, which are as many as the format says.
fn decode(format: Format, bytes: &[u8]) -> Stored {
    let half = |bytes: &[u8]| u16::from_le_bytes([bytes[0], bytes[1]]);
    let scale = |bytes: &[u8]| f16::from_bits(half(bytes)).to_f32();
    match format {
        Format::F32 => {
            let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            Stored::F32(bytes.chunks_exact(4).map(number).collect())
        }
        Format::F16 => Stored::F16(bytes.chunks_exact(2).map(|bytes| f16::from_bits(half(bytes))).collect()),
        Format::Bf16 => Stored::Bf16(bytes.chunks_exact(2).map(|bytes| bf16::from_bits(half(bytes))).collect()),
        Format::Q8 => {
            let block = |bytes: &[u8]| {
                let mut quants = [0; BLOCK];
                for (quant, byte) in quants.iter_mut().zip(&bytes[2..]) {
                    *quant = i8::from_le_bytes([*byte]);
                }
                Block8 { scale: scale(bytes), quants }
            };
            Stored::Q8(bytes.chunks_exact(34).map(block).collect())
        }
        Format::Q4 => {
            let block = |bytes: &[u8]| {
                let mut quants = [0; BLOCK / 2];
                quants.copy_from_slice(&bytes[2..]);
                Block4 { scale: scale(bytes), quants }
            };
            Stored::Q4(bytes.chunks_exact(18).map(block).collect())
        }
    }
}
