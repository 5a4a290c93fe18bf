//! The connection options that every client command has.

use clap::Args;

use crate::place;

/// Where a server is looked for when nobody says.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which server, and as whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// Address of the Longshore server, without /api/v1
    #[arg(long, env = "LONGSHORE_URL", default_value = DEFAULT_URL, value_name = "URL")]
    pub(super) url: String,

    /// API key, sent as a bearer token [default: that of a `longshore up` in the same folder]
    #[arg(long, env = "LONGSHORE_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) api_key: Option<String>,
}

impl Connect {
    /// The key to send: the one that was said, or the one that `longshore up` left on this machine for its own server.
    pub(super) fn key(&self) -> Option<String> {
        let said = self.api_key.clone().filter(|key| !key.is_empty());
        said.or_else(|| place::api_key(&self.url))
    }

    /// What a suggested command needs behind it to reach the same server: nothing when the
    /// address is the default.
    pub(super) fn suffix(&self) -> String {
        match self.url.as_str() {
            DEFAULT_URL => String::new(),
            url => format!(" --url {url}"),
        }
    }
}
