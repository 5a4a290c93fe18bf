//! What clients say of receivers: addresses that are checked as early as can be, patterns, and secrets that are kept encrypted.

use jobs_core::{Fault, fault::pointer_to, task::TaskWebhook};
use jobs_outbound::{Outbound, Refused};
use jobs_runtime::secret::DerivedSecret;
use jobs_webhooks::{Secret, is_pattern};
use serde_json::Value;
use url::Url;

/// What is to be said of receivers before they are stored.
#[derive(Clone)]
pub(crate) struct Receivers {
    outbound: Outbound,
    under: DerivedSecret,
}

impl Receivers {
    /// Those that `outbound` may request, with secrets encrypted under `under`.
    pub(crate) fn new(outbound: Outbound, under: DerivedSecret) -> Self {
        Self { outbound, under }
    }

    /// What secrets are encrypted under.
    pub(crate) fn under(&self) -> &DerivedSecret {
        &self.under
    }

    /// What is wrong with an address, as far as that can be told without asking for its name: where that leads is looked at with every
    /// request.
    pub(crate) fn fault_of_url(&self, text: &str, pointer: &str) -> Option<Fault> {
        let refused = self.outbound.check(text).err().or_else(|| self.own_machine(text))?;
        let detail = match refused {
            Refused::Address { .. } => format!(
                "{refused}, unless the operator allows its network (LONGSHORE_OUTBOUND_ALLOW, or `longshore up --local-webhooks` for this machine)"
            ),
            _ => refused.to_string(),
        };
        Some(Fault::new(pointer, detail))
    }

    /// What is known of a name that always means the machine itself (RFC 6761, section 6.3).
    fn own_machine(&self, text: &str) -> Option<Refused> {
        let mut url = Url::parse(text).ok()?;
        let host = url.host_str()?.trim_end_matches('.').to_owned();
        if host != "localhost" && !host.ends_with(".localhost") {
            return None;
        }
        url.set_host(Some("127.0.0.1")).ok()?;
        match self.outbound.check(url.as_str()).err()? {
            Refused::Address { address, range, .. } => Some(Refused::Address { host, address, range }),
            refused => Some(refused),
        }
    }

    /// What is wrong with the receiver in a submission, faults of its form aside.
    pub(crate) fn faults_of_task(&self, body: &Value) -> Vec<Fault> {
        let Some(webhook) = body.get("webhook").and_then(Value::as_object) else { return Vec::new() };
        let text = |name: &str| webhook.get(name).and_then(Value::as_str);
        let mut faults: Vec<Fault> =
            text("url").and_then(|url| self.fault_of_url(url, "/webhook/url")).into_iter().collect();
        let events = webhook.get("events").and_then(Value::as_array).into_iter().flatten();
        let events: Vec<&str> = events.filter_map(Value::as_str).collect();
        faults.extend(faults_of_patterns(&events, "/webhook/events"));
        if let Some(Err(error)) = text("secret").map(Secret::read) {
            faults.push(Fault::new("/webhook/secret", error.to_string()));
        }
        faults
    }

    /// The receiver of a task, as it is kept. Its faults have been looked for.
    pub(crate) fn seal(&self, mut webhook: TaskWebhook) -> TaskWebhook {
        let secret = webhook.secret.take().and_then(|text| Secret::read(&text).ok());
        webhook.sealed = secret.map(|secret| hex::encode(secret.seal(&self.under)));
        webhook
    }
}

/// What is wrong with patterns of events.
pub(crate) fn faults_of_patterns<T: AsRef<str>>(patterns: &[T], pointer: &str) -> Vec<Fault> {
    let wrong = patterns.iter().enumerate().filter(|(_, pattern)| !is_pattern(pattern.as_ref()));
    let detail = "must be a type of event such as `task.succeeded`, or end in a star: `task.*`, `*`";
    wrong.map(|(n, _)| Fault::new(pointer_to(pointer, &n.to_string()), detail)).collect()
}

#[cfg(test)]
impl Receivers {
    /// Some that may be requested on the Internet.
    pub(crate) fn of_the_internet() -> Self {
        let outbound = Outbound::new(jobs_outbound::OutboundConfig::default()).expect("a client");
        Self::new(outbound, jobs_runtime::ServerSecret::random().derive(jobs_webhooks::SEALED_FOR))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_with_a_receiver_is_named() {
        let receivers = Receivers::of_the_internet();
        let pointers = |webhook: Value| {
            let faults = receivers.faults_of_task(&json!({ "webhook": webhook }));
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!({ "url": "https://a.example/hook", "events": ["task.*"] })), [""; 0]);
        for url in
            ["http://127.1/", "http://[::1]/", "ftp://a.example/", "http://u:p@a.example/", "http://localhost./", "x"]
        {
            assert_eq!(pointers(json!({ "url": url })), ["/webhook/url"], "{url}");
        }
        assert_eq!(
            pointers(json!({ "url": "http://10.0.0.1/", "events": ["*", "task*"], "secret": "whsec_" })),
            ["/webhook/url", "/webhook/events/1", "/webhook/secret"]
        );
    }
}
