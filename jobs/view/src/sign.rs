//! Addresses that carry their own permission: whoever has one may fetch what it names, for a few minutes, without a key.
//!
//! What is signed is the method, the path, the project and the time at which it ends. Times are rounded up to editions of some minutes, so
//! that all answers of an edition are the same bytes and can be kept.

use std::time::Duration;

use jobs_core::{ProjectId, TaskId};
use jobs_runtime::secret::{DerivedSecret, ServerSecret};
use time::OffsetDateTime;
use url::form_urlencoded;

/// An edition of addresses is given out for so long.
const EDITION: i64 = 300;
/// And is good for at least so many editions afterwards: for 10 to 15 minutes in all.
const EDITIONS: i64 = 3;

/// A signature has so many bytes.
const SIGNATURE: usize = 32;

/// Signs addresses, and knows its own.
#[derive(Debug, Clone)]
pub struct Signer {
    secret: DerivedSecret,
}

/// A time in which answers have the same addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition(i64);

/// What the query of a signed address says.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    project: ProjectId,
    expires: i64,
    signature: Vec<u8>,
}

impl Edition {
    /// The one that is given out at a time.
    pub fn at(now: OffsetDateTime) -> Self {
        Self(now.unix_timestamp().div_euclid(EDITION))
    }

    /// Its number, which no other one has.
    pub fn number(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// For how long it is still given out.
    pub fn left(self, now: OffsetDateTime) -> Duration {
        Duration::from_secs(((self.0 + 1) * EDITION - now.unix_timestamp()).max(0).unsigned_abs())
    }

    /// When its addresses end.
    pub fn ends(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp((self.0 + EDITIONS) * EDITION).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl Signer {
    /// Under the secret of the installation: what one process signs, all others know.
    pub fn of(secret: &ServerSecret) -> Self {
        Self { secret: secret.derive("artifact-url") }
    }

    /// The query of the address of an artifact.
    pub fn artifact(&self, project: ProjectId, task: TaskId, name: &str, edition: Edition) -> String {
        let expires = edition.ends().unix_timestamp();
        let signature = hex::encode(self.secret.sign(&[signed(project, task, name, expires).as_bytes()]));
        format!("project={}&expires={expires}&signature={signature}", project.0)
    }

    /// The project whose artifact may be fetched with this ticket now.
    pub fn admits(&self, ticket: &Ticket, task: TaskId, name: &str, now: OffsetDateTime) -> Option<ProjectId> {
        let text = signed(ticket.project, task, name, ticket.expires);
        // A part of a signature is none.
        let is_ours =
            ticket.signature.len() == SIGNATURE && self.secret.verifies(&[text.as_bytes()], &ticket.signature);
        (is_ours && now.unix_timestamp() < ticket.expires).then_some(ticket.project)
    }
}

/// What is signed of an address of an artifact. Its parts cannot run into each other: the numbers and the id end where they end, and the
/// name is the last one.
fn signed(project: ProjectId, task: TaskId, name: &str, expires: i64) -> String {
    format!("GET\n{}\n{expires}\n/tasks/{task}/artifacts/{name}", project.0)
}

impl Ticket {
    /// What the query of a request says; `None` when it is not one of a signed address. One that cannot be read admits nobody.
    pub fn of(query: Option<&str>) -> Option<Self> {
        let pairs: Vec<_> = form_urlencoded::parse(query?.as_bytes()).collect();
        let value = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_ref());
        let signature = hex::decode(value("signature")?).unwrap_or_default();
        Some(Self {
            project: ProjectId(value("project").and_then(|text| text.parse().ok()).unwrap_or_default()),
            expires: value("expires").and_then(|text| text.parse().ok()).unwrap_or_default(),
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    fn signer() -> Signer {
        Signer::of(&ServerSecret::read(&"7".repeat(32)).unwrap())
    }

    #[test]
    fn a_signed_address_is_good_for_what_it_names_until_it_ends() {
        let (task, project) = (TaskId::new(), ProjectId(3));
        let query = signer().artifact(project, task, "video.mp4", Edition::at(NOW));
        let ticket = Ticket::of(Some(&query)).unwrap();
        let admits = |task, name, now| signer().admits(&ticket, task, name, now);
        assert_eq!(admits(task, "video.mp4", NOW), Some(project));
        assert_eq!(admits(task, "video.mp4", NOW + Duration::from_secs(599)), Some(project));
        assert_eq!(admits(task, "video.mp4", NOW + Duration::from_secs(900)), None);
        assert_eq!(admits(task, "other.mp4", NOW), None);
        assert_eq!(admits(TaskId::new(), "video.mp4", NOW), None);
        assert_eq!(Signer::of(&ServerSecret::random()).admits(&ticket, task, "video.mp4", NOW), None);
    }

    #[test]
    fn what_was_changed_admits_nobody() {
        let (task, project) = (TaskId::new(), ProjectId(3));
        let query = signer().artifact(project, task, "video.mp4", Edition::at(NOW));
        for (from, to) in [("project=3", "project=4"), ("expires=1", "expires=2"), ("signature=", "signature=00")] {
            let ticket = Ticket::of(Some(&query.replacen(from, to, 1))).unwrap();
            assert_eq!(signer().admits(&ticket, task, "video.mp4", NOW), None, "{to}");
        }
        let empty = Ticket::of(Some("signature=zz")).unwrap();
        assert_eq!(signer().admits(&empty, task, "video.mp4", NOW), None);
        assert_eq!(Ticket::of(Some("expires=9")), None);
        assert_eq!(Ticket::of(None), None);
    }

    #[test]
    fn addresses_of_one_edition_are_the_same() {
        let edition = Edition::at(NOW);
        assert_eq!(Edition::at(NOW + edition.left(NOW) - Duration::from_secs(1)), edition);
        assert_ne!(Edition::at(NOW + edition.left(NOW)), edition);
        let good_for = edition.ends() - NOW;
        assert!(good_for > Duration::from_secs(600) && good_for <= Duration::from_secs(900), "{good_for}");
    }
}
