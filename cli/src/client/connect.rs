//! The connection options that every client command has.

use clap::Args;

/// Where a server is looked for when nobody says.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which server, and as whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// Address of the Longshore server, without /api/v1
    #[arg(long, env = "LONGSHORE_URL", default_value = DEFAULT_URL, value_name = "URL")]
    pub(super) url: String,

    /// API key, sent as a bearer token
    #[arg(long, env = "LONGSHORE_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) api_key: Option<String>,
}

impl Connect {
    /// What a suggested command needs behind it to reach the same server: nothing when the
    /// address is the default.
    pub(super) fn suffix(&self) -> String {
        match self.url.as_str() {
            DEFAULT_URL => String::new(),
            url => format!(" --url {url}"),
        }
    }
}
