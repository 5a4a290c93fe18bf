//! Where a request goes: a URL that passed every check that needs no network.

use std::net::IpAddr;

use http::Uri;
use url::{Host, Url};

use crate::{allowed::Allowed, error::Refused};

/// A checked URL.
///
/// The `url` crate reads it as browsers do, so `http://0x7f.1`, `http://2130706433` and `http://127.0.0.1` are one host, and the
/// request is built from what was read, not from the text: nothing can be read differently a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    uri: Uri,
}

impl Target {
    /// Checks `text`: scheme, user name, and host and port where they are literal.
    ///
    /// # Errors
    /// [`Refused`], with the first rule that is broken.
    pub fn parse(text: &str, allowed: &Allowed) -> Result<Self, Refused> {
        let url = Url::parse(text).map_err(|err| Refused::Url(err.to_string()))?;
        Self::check(url, allowed)
    }

    /// The target of a `Location` that this one answered with.
    pub(crate) fn join(&self, location: &str, allowed: &Allowed) -> Result<Self, Refused> {
        let url = self.url.join(location).map_err(|err| Refused::Url(err.to_string()))?;
        Self::check(url, allowed)
    }

    fn check(url: Url, allowed: &Allowed) -> Result<Self, Refused> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(Refused::Url("no host".to_owned()));
        };
        match host {
            Host::Ipv4(address) => allowed.check(&host.to_string(), address.into(), port)?,
            Host::Ipv6(address) => allowed.check(&host.to_string(), address.into(), port)?,
            // Names, and their ports, are judged in the connector, when it is known where they lead.
            Host::Domain(_) => {}
        }
        let authority = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let uri = Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(path).build();
        let uri = uri.map_err(|err| Refused::Url(err.to_string()))?;
        Ok(Self { url, uri })
    }

    /// The URL, normalised, as the request is sent.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Credentials for one may be sent to the other.
    pub(crate) fn is_of_the_origin_of(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

/// The address that the host of a URI spells, or `None` for a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_what_the_url_standard_reads() {
        let allowed = Allowed { networks: vec!["127.0.0.0/8".parse().unwrap()], ..Allowed::default() };
        for text in [
            "http://127.0.0.1/a?b=1#c",
            "http://0x7f.1/a?b=1",
            "http://2130706433/./a?b=1",
            "http://0177.0.0.01\\a?b=1",
        ] {
            let target = Target::parse(text, &allowed).unwrap();
            assert_eq!(target.uri().to_string(), "http://127.0.0.1/a?b=1", "{text}");
        }
        let target = Target::parse("https://BÜCHER.example:443/ü d?q=\"x|^\"", &allowed).unwrap();
        assert_eq!(target.uri().to_string(), "https://xn--bcher-kva.example/%C3%BC%20d?q=%22x|^%22");
        assert_eq!(
            Target::parse("http://a.example\\@127.0.0.1/", &Allowed::default()).unwrap().url().host_str(),
            Some("a.example")
        );
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused() {
        let refused = |text: &str| Target::parse(text, &Allowed::default()).unwrap_err();
        assert!(matches!(refused("ftp://a.example/"), Refused::Scheme(_)));
        assert!(matches!(refused("file:///etc/passwd"), Refused::Scheme(_)));
        assert!(matches!(refused("gopher://127.0.0.1:6379/_FLUSHALL"), Refused::Scheme(_)));
        assert!(matches!(refused("unix:/var/run/docker.sock"), Refused::Scheme(_)));
        assert!(matches!(refused("http://user@a.example/"), Refused::UserInfo));
        assert!(matches!(refused("http://:secret@a.example/"), Refused::UserInfo));
        assert!(matches!(refused("/relative"), Refused::Url(_)));
        assert!(matches!(refused("http://"), Refused::Url(_)));
        assert!(matches!(refused("http://[fe80::1%25eth0]/"), Refused::Url(_)));
    }
}
