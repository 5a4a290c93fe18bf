//! Words that stand for one of a few choices.

/// A word that is none of those that can stand here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {known}")]
pub struct UnknownWord {
    /// What stands there.
    pub word: String,
    /// What could.
    pub known: String,
}

/// The one among `all` that is called `word`.
pub(crate) fn named<T: Copy>(word: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, UnknownWord> {
    all.iter().copied().find(|known| name(*known) == word).ok_or_else(|| UnknownWord {
        word: word.to_owned(),
        known: all.iter().map(|known| name(*known)).collect::<Vec<_>>().join(", "),
    })
}
