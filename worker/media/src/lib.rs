//! The renderer: a film in, an MP4, a thumbnail and captions out.
//!
//! Pictures are drawn by our own compositor; FFmpeg's libraries, linked here and nowhere else, encode and write them. The
//! worker never links this crate: it starts the `longshore-media` program, so a crash in a codec ends one render only.
//!
//! It deliberately does not fetch anything, or look at the fonts of the machine. Files of clients are opened in `source`, by a list
//! of what may be in them.

mod background;
mod canvas;
mod caption;
mod check;
pub mod contain;
mod encode;
mod failure;
mod ffi;
mod fonts;
mod frames;
mod hear;
mod layer;
mod loudness;
mod media;
mod mix;
mod music;
mod palette;
mod probe;
mod projection;
mod reel;
mod render;
mod room;
mod scene;
mod sheet;
mod source;
mod sprite;
mod still;
mod subtitles;
mod text;
mod tint;
mod transition;
mod usage;
mod yuv;

pub use render::{inspect, render, sheet};
