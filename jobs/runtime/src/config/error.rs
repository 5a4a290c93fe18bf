//! Why the settings cannot be used.

use std::path::PathBuf;

/// Why the settings cannot be used: always names what must be changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that cannot be read as what the setting is.
    #[error("{name}: {problem}")]
    Bad {
        /// The variable, or the key and its file.
        name: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// The settings file is not there or cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The settings file is not TOML.
    #[error("{} is not valid TOML: {problem}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        problem: String,
    },
}
