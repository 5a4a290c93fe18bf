//! Who may ask for what: keys, what they open, and what each operation needs.

mod gate;
mod known;
mod presented;
mod token;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use jobs_core::Scope;
use jobs_runtime::secret::{AdminKey, DerivedSecret, ServerSecret};

pub(crate) use gate::{Gate, Gates, Need};
pub(crate) use known::KnownKeys;
pub(crate) use token::prefix;
pub use token::{Mint, Minted};

use crate::{
    caller::Caller,
    problem::{Code, Problem},
};

/// Who may come in.
pub(crate) struct Access {
    gates: Gates,
    secret: ServerSecret,
    mint: Mint,
    /// `None` when nobody is asked for a key.
    keys: Option<Keys>,
}

/// The keys that open something.
struct Keys {
    known: Arc<KnownKeys>,
    declared: Option<Declared>,
}

/// A key that the settings declare.
struct Declared {
    purpose: DerivedSecret,
    digest: [u8; 32],
}

impl Access {
    /// Everybody may come in, and do everything. Keys can be made all the same, for when they are asked for.
    pub(crate) fn open(gates: Gates, secret: ServerSecret) -> Self {
        Self { gates, mint: Mint::new(&secret), secret, keys: None }
    }

    /// Those with a key may come in; `declared` is one that no row knows.
    pub(crate) fn with_keys(
        gates: Gates,
        secret: ServerSecret,
        known: Arc<KnownKeys>,
        declared: Option<&AdminKey>,
    ) -> Self {
        let purpose = secret.derive("declared-key");
        let declared = declared.map(|key| Declared { digest: purpose.sign(&[key.text().as_bytes()]), purpose });
        Self { gates, mint: Mint::new(&secret), secret, keys: Some(Keys { known, declared }) }
    }

    /// What keys and signatures are made under.
    pub(crate) fn secret(&self) -> &ServerSecret {
        &self.secret
    }

    /// What a method on a route is.
    pub(crate) fn gate(&self, method: &Method, route: &str) -> Gate {
        self.gates.of(method, route)
    }

    /// The caller of a request, if it may pass a gate; `None` when the operation does not ask who it is.
    pub(crate) async fn admit(&self, gate: Gate, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let (need, scopes) = match gate.need {
            Need::Nothing => return Ok(None),
            Need::KeyOrProof(scopes) => (false, scopes),
            Need::Key(scopes) => (true, scopes),
        };
        let caller = match self.caller(headers).await? {
            None if need => return Err(unauthorized(None)),
            None => return Ok(None),
            Some(caller) => caller,
        };
        match scopes.without(caller.scopes).iter().next() {
            None => Ok(Some(caller)),
            Some(lacking) => Err(insufficient_scope(lacking, &format!("the key lacks the scope {lacking}"))),
        }
    }

    /// Who sent a key; `None` when none was sent.
    async fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let Some(Keys { known, declared }) = &self.keys else { return Ok(Some(Caller::master())) };
        let Some(text) = presented::key(headers)? else { return Ok(None) };
        if declared.as_ref().is_some_and(|declared| declared.purpose.verifies(&[text.as_bytes()], &declared.digest)) {
            return Ok(Some(Caller::master()));
        }
        let unknown = || unauthorized(Some("this is no key of this server"));
        let token = self.mint.read(text).ok_or_else(unknown)?;
        let (row, age) = known.row(token.id).await?.ok_or_else(unknown)?;
        if !self.mint.opens(&token, &row.hash) {
            return Err(unknown());
        }
        // Whoever has the key may know what became of it.
        if row.revoked_at.is_some() {
            return Err(unauthorized(Some("the key was revoked")));
        }
        if row.left.is_some_and(|left| left <= age) {
            return Err(unauthorized(Some("the key has expired")));
        }
        Ok(Some(Caller { project: row.project, scopes: row.scopes, key: Some(row.id), limits: row.limits.clone() }))
    }
}

/// No key was sent, or one that opens nothing (RFC 6750, 3).
pub(crate) fn unauthorized(why: Option<&str>) -> Problem {
    let (detail, challenge) = match why {
        None => ("send an API key: Authorization: Bearer ls_live_…", "Bearer realm=\"longshore\""),
        Some(why) => (why, "Bearer realm=\"longshore\", error=\"invalid_token\""),
    };
    Problem::new(Code::Unauthorized, detail).with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// The key may not do what was asked.
pub(crate) fn insufficient_scope(scope: Scope, detail: &str) -> Problem {
    let challenge = format!("Bearer realm=\"longshore\", error=\"insufficient_scope\", scope=\"{scope}\"");
    Problem::new(Code::InsufficientScope, detail).with(header::WWW_AUTHENTICATE, challenge)
}
