//! Secrets that go along with requests, by name. A secret goes to the hosts that the operator named for it and to no others: whoever
//! may write a definition may otherwise send it anywhere.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context;
use serde::Deserialize;

/// All secrets of this worker.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<String, Entry>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    value: String,
    hosts: Vec<String>,
}

/// Why a secret does not go along.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSecret {
    #[error("this worker has no secret {0}")]
    Unknown(String),
    #[error("the secret {0} may not go to {1}")]
    NotFor(String, String),
}

impl Secrets {
    /// Those of a file in TOML: `[NAME]` with `value` and `hosts`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read the secrets in {}", path.display()))?;
        // The cause would quote the line, and with it the secret.
        toml::from_str(&text).map(Self).map_err(|_| anyhow::anyhow!("{} is no file of secrets", path.display()))
    }

    /// The secret of this name, for a request to `host`.
    pub(super) fn of(&self, name: &str, host: &str) -> Result<&str, NoSecret> {
        let entry = self.0.get(name).ok_or_else(|| NoSecret::Unknown(name.to_owned()))?;
        let is_for = entry.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if is_for { Ok(&entry.value) } else { Err(NoSecret::NotFor(name.to_owned(), host.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_to_its_hosts_and_to_no_others() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "[A_KEY]\nvalue = 'x'\nhosts = ['api.example.com']\n").expect("written");
        let secrets = Secrets::read(file.path()).expect("secrets");
        assert_eq!(secrets.of("A_KEY", "API.example.com").ok(), Some("x"));
        assert!(matches!(secrets.of("A_KEY", "evil.example"), Err(NoSecret::NotFor(..))));
        assert!(matches!(secrets.of("B_KEY", "api.example.com"), Err(NoSecret::Unknown(_))));
        fs::write(file.path(), "[A_KEY]\nvalue = 'hush'\n").expect("written");
        assert!(!format!("{:#}", Secrets::read(file.path()).err().expect("an error")).contains("hush"));
    }
}
