//! Signatures of Standard Webhooks 1.0: what is signed is the id, the time and the body, with dots between.
//!
//! By hand, and proven against the packages of PyPI and npm: the crate of the same name knows no ed25519, and brings a second HMAC and a
//! second SHA-2.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::Secret;

/// The header with the id of the message.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";

/// A request that was signed longer ago, or later, than this is not to be believed.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The signatures of a request, as their header has them: one for each secret, the first one first; and one of ed25519 for each, if
/// `ed25519` says so.
#[must_use]
pub fn sign(secrets: &[Secret], ed25519: bool, id: &str, timestamp: i64, body: &str) -> String {
    let text = signed(id, &timestamp.to_string(), body.as_bytes());
    let mut signatures = Vec::with_capacity(secrets.len() * 2);
    for secret in secrets {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret.key), &text);
        signatures.push(format!("v1,{}", STANDARD.encode(tag.as_ref())));
        if let Some(pair) = secret.pair().filter(|_| ed25519) {
            signatures.push(format!("v1a,{}", STANDARD.encode(pair.sign(&text).as_ref())));
        }
    }
    signatures.join(" ")
}

/// Why a request is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Its time is no time, or too far from ours.
    Time,
    /// None of its signatures is one of this secret.
    Signature,
}

/// Checks a request as its receiver does, at a time in seconds since 1970.
///
/// # Errors
/// When it is not to be believed.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: i64,
) -> Result<(), Doubt> {
    let said: i64 = timestamp.parse().map_err(|_| Doubt::Time)?;
    if now.abs_diff(said) > TOLERANCE.as_secs() {
        return Err(Doubt::Time);
    }
    let text = signed(id, timestamp, body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.key);
    let is_ours = |signature: &str| {
        let tag = signature.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok());
        tag.is_some_and(|tag| hmac::verify(&key, &text, &tag).is_ok())
    };
    if signatures.split(' ').any(is_ours) { Ok(()) } else { Err(Doubt::Signature) }
}

fn signed(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed = sign(&[secret], false, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_receiver_believes_what_was_signed_by_any_of_its_secrets_and_no_changed_byte() {
        let (old, new) = (Secret::random(), Secret::random());
        let signatures = sign(&[new.clone(), old.clone()], false, "msg_1", 1_000, "{}");
        let check = |secret: &Secret, id: &str, timestamp: &str, body: &str, now| {
            verify(secret, id, timestamp, &signatures, body.as_bytes(), now)
        };
        assert_eq!(check(&old, "msg_1", "1000", "{}", 1_000), Ok(()));
        assert_eq!(check(&new, "msg_1", "1000", "{}", 1_300), Ok(()));
        assert_eq!(check(&new, "msg_1", "1000", "{}", 1_301), Err(Doubt::Time));
        assert_eq!(check(&new, "msg_1", "1001", "{}", 1_000), Err(Doubt::Signature));
        assert_eq!(check(&new, "msg_2", "1000", "{}", 1_000), Err(Doubt::Signature));
        assert_eq!(check(&new, "msg_1", "1000", "{ }", 1_000), Err(Doubt::Signature));
        assert_eq!(check(&Secret::random(), "msg_1", "1000", "{}", 1_000), Err(Doubt::Signature));
    }

    #[test]
    fn ed25519_is_signed_for_the_public_key() {
        let secret = Secret::random();
        let signatures = sign(std::slice::from_ref(&secret), true, "msg_1", 7, "{}");
        let (hmac, ed25519) = signatures.split_once(' ').expect("two signatures");
        assert!(hmac.starts_with("v1,"));
        let signature = STANDARD.decode(ed25519.strip_prefix("v1a,").expect("v1a")).expect("Base64");
        let public =
            secret.public_key().and_then(|key| STANDARD.decode(key.strip_prefix("whpk_")?).ok()).expect("a key");
        assert!(UnparsedPublicKey::new(&ED25519, &public).verify(b"msg_1.7.{}", &signature).is_ok());
    }
}
