//! The renderer: a timeline in, an MP4, a thumbnail and captions out.
//!
//! Pictures are drawn by our own compositor; FFmpeg's libraries, linked here and nowhere else, encode and write them. The
//! worker never links this crate: it starts the `longshore-media` program, so a crash in a codec ends one render only.
//!
//! It deliberately does not fetch anything, read anybody's media, or look at the fonts of the machine.

mod background;
mod canvas;
mod caption;
mod check;
pub mod contain;
mod encode;
mod failure;
mod ffi;
mod fonts;
mod layer;
mod loudness;
mod music;
mod probe;
mod render;
mod room;
mod scene;
mod sprite;
mod srt;
mod still;
mod text;
mod transition;
mod usage;
mod yuv;

pub use render::render;
