//! The local engine for models: text, JSON that keeps to a schema, and vectors, computed on processors of this machine.
//!
//! It reads the files that are on the hub, safetensors and GGUF, and computes decoders of the family of Llama and encoders of
//! the family of BERT by itself. In 32-bit floats its answers are those of transformers, token by token.
//!
//! It deliberately does not fetch anything, use a graphics card, or run models of other families: whoever needs those points
//! the registry at a server that does.

mod answer;
mod cache;
mod checkpoint;
mod constraint;
mod counters;
mod decoder;
mod embedding;
mod encoder;
mod engine;
mod generation;
mod kernel;
mod matrix;
mod memory;
mod model;
mod queue;
mod sampler;
mod shape;
mod template;
mod tiny;
mod vocabulary;

pub use engine::LocalEngine;
pub use tiny::{Family, Tiny};
