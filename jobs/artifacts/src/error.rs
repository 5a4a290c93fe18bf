//! What can go wrong with the bytes of artifacts.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The address of the store is not one that can be used.
    #[error("artifacts cannot be kept at `{url}`: {reason}")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot have this name.
    #[error(
        "`{0}` is not a name for an artifact: up to 100 letters, digits, `.`, `_` and `-`, not beginning with a dot"
    )]
    BadName(String),
    /// There is no such file.
    #[error("there is no such artifact")]
    NotFound,
    /// The file that was to be stored cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// The store refuses or cannot be reached.
    #[error("the artifact store is not available")]
    Unavailable(#[source] object_store::Error),
}

impl From<object_store::Error> for ArtifactError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Unavailable(error),
        }
    }
}
