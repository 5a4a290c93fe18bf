//! What every process of Longshore needs before it can work: settings, logs, a way to stop, and servers of its own.
//!
//! Nothing in here knows what a task is; of kinds it knows what operators set.

pub mod config;
pub mod secret;
pub mod servers;
pub mod shutdown;
pub mod telemetry;

pub use config::Config;
pub use secret::ServerSecret;
pub use servers::PrivateServers;
pub use shutdown::Shutdown;
