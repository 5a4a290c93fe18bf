//! The engine, asked through its port, with models that are made for the tests.

#![expect(clippy::unwrap_used, reason = "what helps the tests may stop them, as they may themselves")]

mod files;
mod generation;
mod gguf;
mod json;
mod memory;
mod models;
mod parity;
