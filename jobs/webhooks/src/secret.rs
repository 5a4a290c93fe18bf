//! The secrets of receivers: shown once, kept encrypted, and read again to sign.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jobs_runtime::secret::DerivedSecret;

/// What keys that encrypt secrets are derived for.
pub const SEALED_FOR: &str = "webhook-secret";

/// What every secret begins with, and every public key.
const PREFIX: &str = "whsec_";
const PUBLIC: &str = "whpk_";
const SEED: usize = 32;

/// What the requests to one receiver are signed with: a key for HMAC-SHA-256, shared with it, and one for ed25519, of which it knows the
/// public half.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub(crate) key: Vec<u8>,
    seed: [u8; SEED],
}

/// The text is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSecret;

impl std::fmt::Display for BadSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("must be `whsec_` and the Base64 of 24 to 64 bytes")
    }
}

impl std::error::Error for BadSecret {}

impl Secret {
    /// A secret that nobody knows.
    #[must_use]
    pub fn random() -> Self {
        Self { key: rand::random::<[u8; 32]>().to_vec(), seed: rand::random() }
    }

    /// A secret that a client chose.
    ///
    /// # Errors
    /// When it is none of Standard Webhooks.
    pub fn read(text: &str) -> Result<Self, BadSecret> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadSecret)?;
        let key = STANDARD.decode(digits).map_err(|_| BadSecret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(BadSecret);
        }
        Ok(Self { key, seed: rand::random() })
    }

    /// As its receiver is told it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.key))
    }

    /// The public key of its ed25519 signatures.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        Some(format!("{PUBLIC}{}", STANDARD.encode(self.pair()?.public_key().as_ref())))
    }

    /// As it is kept.
    #[must_use]
    pub fn seal(&self, under: &DerivedSecret) -> Vec<u8> {
        under.seal(&[&self.seed[..], &self.key].concat())
    }

    /// As it was kept; none when that was under another key.
    #[must_use]
    pub fn open(sealed: &[u8], under: &DerivedSecret) -> Option<Self> {
        let open = under.open(sealed)?;
        let (seed, key) = open.split_first_chunk::<SEED>()?;
        Some(Self { key: key.to_vec(), seed: *seed })
    }

    pub(crate) fn pair(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).ok()
    }
}

// By hand, so that it never reaches a log by way of `{:?}`.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use jobs_runtime::ServerSecret;

    use super::*;

    #[test]
    fn a_secret_survives_its_text_and_its_seal() {
        let under = ServerSecret::random().derive(SEALED_FOR);
        let secret = Secret::random();
        assert_eq!(Secret::read(&secret.text()).expect("a secret").key, secret.key);
        assert_eq!(Secret::open(&secret.seal(&under), &under), Some(secret.clone()));
        assert_eq!(Secret::open(&secret.seal(&under), &ServerSecret::random().derive(SEALED_FOR)), None);
        assert_ne!(secret.seal(&under), secret.seal(&under), "the same secret twice must not be recognised");
        assert!(secret.public_key().is_some_and(|key| key.starts_with("whpk_")));
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        for bad in ["", "whsec_", "whsec_????", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="] {
            assert!(Secret::read(bad).is_err(), "{bad}");
        }
    }
}
