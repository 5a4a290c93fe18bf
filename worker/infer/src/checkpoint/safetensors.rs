//! Weights as safetensors: one file, or several with an index.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::Path,
};

use jobs_core::port::model::ModelError;
use safetensors::{Dtype, tensor::Metadata};

use super::{Format, Place, invalid, json};

/// The largest header of a file.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The open files and where their tensors are.
pub(super) struct Safetensors {
    files: Vec<File>,
    places: BTreeMap<String, (usize, Place)>,
}

impl Safetensors {
    /// Opens the files of a directory.
    pub(super) fn open(dir: &Path) -> Result<Self, ModelError> {
        let mut all = Self { files: Vec::new(), places: BTreeMap::new() };
        let index = dir.join("model.safetensors.index.json");
        if !index.exists() {
            all.add(&dir.join("model.safetensors"))?;
            return Ok(all);
        }
        let index = json(&index)?;
        let names = index["weight_map"].as_object().ok_or_else(|| invalid("the index has no weight_map"))?;
        let names: BTreeSet<&str> = names.values().filter_map(|name| name.as_str()).collect();
        for name in names {
            // A name, and not a way out of the directory.
            if Path::new(name).file_name().is_none_or(|file| file != name) {
                return Err(invalid(format!("the index names {name}, which is no file beside it")));
            }
            all.add(&dir.join(name))?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<(), ModelError> {
        let fault = |why: String| invalid(format!("{}: {why}", path.display()));
        let mut file = File::open(path).map_err(|error| fault(error.to_string()))?;
        let length = file.metadata().map_err(|error| fault(error.to_string()))?.len();
        let mut size = [0; 8];
        file.read_exact(&mut size).map_err(|_| fault("is cut short".to_owned()))?;
        let header = u64::from_le_bytes(size);
        if header > MAX_HEADER_BYTES || header > length - 8 {
            return Err(fault("is no safetensors file, or is cut short".to_owned()));
        }
        let mut text = Vec::new();
        file.by_ref().take(header).read_to_end(&mut text).map_err(|error| fault(error.to_string()))?;
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|error| fault(format!("is no safetensors file: {error}")))?;
        let start = 8 + header;
        if start + metadata.data_len() as u64 != length {
            return Err(fault("is cut short, or longer than it says".to_owned()));
        }
        let at = self.files.len();
        for (name, tensor) in metadata.tensors() {
            let Some(format) = format(tensor.dtype) else {
                // Masks and positions, which old checkpoints carry along.
                continue;
            };
            let numbers = tensor.shape.iter().try_fold(1u64, |all, side| all.checked_mul(*side as u64));
            let bytes = (tensor.data_offsets.1 as u64).checked_sub(tensor.data_offsets.0 as u64);
            let Some(bytes) = bytes.filter(|bytes| numbers.and_then(|count| format.bytes(count)) == Some(*bytes))
            else {
                return Err(fault(format!("{name} has not the size that its shape asks for")));
            };
            let offset = start + tensor.data_offsets.0 as u64;
            self.places.insert(name, (at, Place { format, shape: tensor.shape.clone(), offset, bytes }));
        }
        self.files.push(file);
        Ok(())
    }

    pub(super) fn place(&self, name: &str) -> Option<(&File, Place)> {
        let (file, place) = self.places.get(name)?;
        Some((self.files.get(*file)?, place.clone()))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values().map(|(_, place)| place)
    }
}

fn format(dtype: Dtype) -> Option<Format> {
    match dtype {
        Dtype::F32 => Some(Format::F32),
        Dtype::F16 => Some(Format::F16),
        Dtype::BF16 => Some(Format::Bf16),
        _ => None,
    }
}
