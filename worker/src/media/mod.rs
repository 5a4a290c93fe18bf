//! The video engine as a worker has it: one `longshore-media` process for each render.
//!
//! The worker never links FFmpeg's libraries. A crash in them ends one process, and with it one attempt.

pub mod child;
mod program;
mod render;

pub use program::{MediaProcess, NotFound};
