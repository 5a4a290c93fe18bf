//! An API key as text: `ls_live_<id>_<secret><check>`.
//!
//! The id says which row it is; the secret has 256 bits; the check is a keyed digest of both, so that what this installation never made
//! is refused without asking the database. Of the secret only a keyed hash is stored.

use jobs_core::KeyId;
use jobs_runtime::secret::{DerivedSecret, ServerSecret};
use rand::distr::{Alphanumeric, SampleString as _};

const SCHEME: &str = "ls_live_";
const ID_DIGITS: usize = 32;
/// So many letters and digits have 256 bits.
const SECRET_LETTERS: usize = 43;
/// Of four bytes.
const CHECK_DIGITS: usize = 8;

/// Makes keys and reads them.
#[derive(Debug, Clone)]
pub struct Mint {
    hash: DerivedSecret,
    check: DerivedSecret,
}

/// A key that was just made. Its text is shown once.
pub struct Minted {
    /// Its name.
    pub id: KeyId,
    /// What its holder keeps.
    pub text: String,
    /// What is kept here.
    pub hash: [u8; 32],
}

/// A key that somebody sent, and that this installation has made: whether it still opens anything its row says.
pub(crate) struct Token {
    pub(crate) id: KeyId,
    secret: String,
}

impl Mint {
    /// For the installation with this secret.
    #[must_use]
    pub fn new(secret: &ServerSecret) -> Self {
        Self { hash: secret.derive("api-key"), check: secret.derive("api-key-check") }
    }

    /// A new key.
    #[must_use]
    pub fn make(&self) -> Minted {
        let (id, secret) = (KeyId::new(), Alphanumeric.sample_string(&mut rand::rng(), SECRET_LETTERS));
        let digits = id.0.simple().to_string();
        let check = hex::encode(&self.check(&digits, &secret)[..CHECK_DIGITS / 2]);
        Minted { id, text: format!("{SCHEME}{digits}_{secret}{check}"), hash: self.hash(&id, &secret) }
    }

    /// Reads a key; `None` when it was not made here.
    pub(crate) fn read(&self, text: &str) -> Option<Token> {
        let rest = text.strip_prefix(SCHEME)?;
        let (digits, rest) = rest.split_at_checked(ID_DIGITS)?;
        let (secret, check) = rest.strip_prefix('_')?.split_at_checked(SECRET_LETTERS)?;
        let mut sent = [0; CHECK_DIGITS / 2];
        hex::decode_to_slice(check, &mut sent).ok()?;
        if !self.check.verifies(&[digits.as_bytes(), secret.as_bytes()], &sent) {
            return None;
        }
        let id = format!("{}{digits}", KeyId::PREFIX).parse().ok()?;
        Some(Token { id, secret: secret.to_owned() })
    }

    /// Whether `hash` is that of this key.
    pub(crate) fn opens(&self, token: &Token, hash: &[u8]) -> bool {
        let digits = token.id.0.simple().to_string();
        hash.len() == 32 && self.hash.verifies(&[digits.as_bytes(), token.secret.as_bytes()], hash)
    }

    fn check(&self, digits: &str, secret: &str) -> [u8; 32] {
        self.check.sign(&[digits.as_bytes(), secret.as_bytes()])
    }

    fn hash(&self, id: &KeyId, secret: &str) -> [u8; 32] {
        self.hash.sign(&[id.0.simple().to_string().as_bytes(), secret.as_bytes()])
    }
}

/// How every key with this name begins, to recognise it by.
pub(crate) fn prefix(id: KeyId) -> String {
    format!("{SCHEME}{}_", id.0.simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(secret: &str) -> Mint {
        Mint::new(&ServerSecret::read(&secret.repeat(32)).expect("long enough"))
    }

    #[test]
    fn a_key_opens_what_was_made_for_it_and_nothing_else() {
        let (here, elsewhere) = (mint("a"), mint("b"));
        let (one, two) = (here.make(), here.make());
        let token = here.read(&one.text).expect("made here");
        assert!(one.text.starts_with(&prefix(one.id)) && one.text.len() == 92, "{}", one.text);
        assert_eq!(token.id, one.id);
        assert!(here.opens(&token, &one.hash) && !here.opens(&token, &two.hash) && !here.opens(&token, &one.hash[..8]));
        assert!(elsewhere.read(&one.text).is_none());
    }

    #[test]
    fn a_key_with_one_other_letter_is_none() {
        let mint = mint("a");
        let text = mint.make().text;
        for at in 0..text.len() {
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let wrong = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(mint.read(&wrong).is_none(), "letter {at} of {text}");
        }
        for wrong in ["", "ls_live_", "ls_live_x_y", &text[..91], &format!("{text}0"), &format!("ls_live_é{text}")] {
            assert!(mint.read(wrong).is_none(), "{wrong}");
        }
    }
}
