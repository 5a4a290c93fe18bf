//! What can go wrong with the bytes of artifacts.

use std::io;

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
    /// There is no room left in the store.
    #[error("the artifact store is full")]
    Full(#[source] object_store::Error),
    /// The store refuses or cannot be reached.
    #[error("the artifact store is not available")]
    Unavailable(#[source] object_store::Error),
}

impl From<object_store::Error> for ArtifactError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error if is_full(&error) => Self::Full(error),
            error => Self::Unavailable(error),
        }
    }
}

/// Whether the system said, somewhere below, that there is no room.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
