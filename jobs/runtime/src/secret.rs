//! The secret of the installation: all that is signed or hashed under a key is derived from it.

use std::{fmt, io::Write as _, path::Path, path::PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Config;

/// A shorter one could be guessed.
const SHORTEST: usize = 32;

/// The secret that all API processes of an installation share. Who changes it makes every API key, signed address and secret of a
/// webhook invalid.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSecret(Vec<u8>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is too easily guessed.
    #[error("the secret key must have {SHORTEST} characters or more, for example those of `openssl rand -hex 32`")]
    Short,
    /// Its file cannot be read or written.
    #[error("cannot use the file of the secret key, {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ServerSecret {
    /// A secret as it was set.
    ///
    /// # Errors
    /// When it is too short.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.len() < SHORTEST { Err(SecretError::Short) } else { Ok(Self(text.as_bytes().to_vec())) }
    }

    /// The secret of these settings: the one that is set, or the one in its file; `None` when there is neither.
    ///
    /// # Errors
    /// When the file cannot be read, or holds too little.
    pub fn of(config: &Config) -> Result<Option<Self>, SecretError> {
        if let Some(secret) = &config.secret_key {
            return Ok(Some(secret.clone()));
        }
        let path = config.secret_key_file();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::read(&text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && config.secret_key_file.is_none() => Ok(None),
            Err(source) => Err(SecretError::File { path, source }),
        }
    }

    /// A secret that nobody else knows.
    #[must_use]
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()).into_bytes())
    }

    /// The secret of these settings; the first time it is made, in a file that only this user can read.
    ///
    /// # Errors
    /// As [`ServerSecret::of`], and when the file cannot be written.
    pub fn of_or_new(config: &Config) -> Result<Self, SecretError> {
        if let Some(secret) = Self::of(config)? {
            return Ok(secret);
        }
        let path = config.secret_key_file();
        let text = hex::encode(rand::random::<[u8; 32]>());
        write_private(&path, &text).map_err(|source| SecretError::File { path, source })?;
        // Whoever was first: what lies there now is what counts.
        Self::of(config)?.ok_or(SecretError::Short)
    }

    /// The secret for one purpose, named by `label`: HMAC-SHA-256 (RFC 2104) of the label. What is derived for one purpose says
    /// nothing about the secret or about another purpose.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedSecret {
        DerivedSecret(keyed(&self.0, &[label.as_bytes()]).finalize().into_bytes().into())
    }
}

/// A secret for one purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct DerivedSecret([u8; 32]);

impl DerivedSecret {
    /// The HMAC-SHA-256 of what `parts` say one after the other. Parts whose lengths are not fixed must be told apart by the caller.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed(&self.0, parts).finalize().into_bytes().into()
    }

    /// Whether `signature` begins the HMAC of `parts`, compared in a time that does not depend on where they differ. A signature that
    /// was cut must have been cut by us: the caller checks its length.
    #[must_use]
    pub fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        keyed(&self.0, parts).verify_truncated_left(signature).is_ok()
    }
}

impl DerivedSecret {
    /// Encrypts what has to be read again: AES-256-GCM under a nonce of its own, which stands in front.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        #[expect(
            clippy::expect_used,
            reason = "what is encrypted here is far shorter than the 64 GiB that the cipher takes"
        )]
        let nonce = self.cipher().seal_in_place_append_tag(Aad::empty(), &mut sealed).expect("a short text");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// What was encrypted under this secret; none for anything else.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut open = sealed.to_vec();
        let length = self.cipher().open_in_place(Nonce::from(nonce), Aad::empty(), &mut open).ok()?.len();
        open.truncate(length);
        Some(open)
    }

    fn cipher(&self) -> RandomizedNonceKey {
        #[expect(clippy::expect_used, reason = "the key has the 32 bytes that the cipher wants")]
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).expect("a key of 32 bytes")
    }
}

fn keyed(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// A key that the settings declare: it may do everything, and is in no database.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminKey(String);

impl AdminKey {
    /// A key as it was set.
    ///
    /// # Errors
    /// When it is too easily guessed, or no header can carry it.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < SHORTEST || !is_visible {
            return Err(format!(
                "must be {SHORTEST} visible ASCII characters or more, for example those of `openssl rand -hex 32`"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Writes a file that only this user can read, unless there is one: then nothing happens.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only its user can read such a file. It is whole before it has its name: nobody reads half a secret, and of two that write the
    // first one wins.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

// By hand, so that it never reaches a log by way of `{:?}`.
impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(***)")
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(***)")
    }
}

impl fmt::Debug for DerivedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_for_two_purposes_have_nothing_in_common() {
        let secret = ServerSecret::read(&"s".repeat(32)).expect("long enough");
        let (a, b) = (secret.derive("a"), secret.derive("b"));
        assert_ne!(a, b);
        assert_eq!(a, ServerSecret::read(&format!("{}\n", "s".repeat(32))).expect("long enough").derive("a"));
        let signature = a.sign(&[b"x"]);
        assert!(a.verifies(&[b"x"], &signature) && a.verifies(&[b"x"], &signature[..8]));
        assert!(!a.verifies(&[b"y"], &signature) && !b.verifies(&[b"x"], &signature));
        assert!(ServerSecret::read("short").is_err());
        let sealed = a.seal(b"x");
        assert_eq!(a.open(&sealed).as_deref(), Some(&b"x"[..]));
        assert_eq!((b.open(&sealed), a.open(&sealed[1..]), a.open(b"")), (None, None, None));
        assert_eq!(format!("{secret:?} {a:?}"), "ServerSecret(***) DerivedSecret(***)");
    }

    #[test]
    fn a_secret_is_made_once_and_only_its_user_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        assert_eq!(ServerSecret::of(&config).expect("no error"), None);
        let made = ServerSecret::of_or_new(&config).expect("a secret");
        assert_eq!(ServerSecret::of_or_new(&config).expect("a secret"), made);
        let mode = std::fs::metadata(config.secret_key_file()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let named = Config { secret_key_file: Some(dir.path().join("no")), ..config };
        assert!(ServerSecret::of(&named).is_err(), "a file that was named must be there");
    }
}
