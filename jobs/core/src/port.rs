//! The ports: traits through which kinds reach the engines that do heavy work.
//!
//! A kind names a port, a worker plugs an engine in. So the API can know and check every kind without linking one engine.

pub mod fetch;
pub mod model;
pub mod price;
pub mod video;
pub mod web;
