//! Ids as types: a UUIDv7 with a prefix that says what it names.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// The text is not an id of the wanted sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected `{prefix}` and 32 hexadecimal digits")]
pub struct BadId {
    /// The prefix that ids of this sort carry.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What every id of this sort starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; ids made later sort later (UUIDv7, RFC 9562).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bad = BadId { prefix: $prefix };
                let digits = text.strip_prefix($prefix).ok_or(bad)?;
                // `Uuid` also reads hyphens, braces and capitals: an id has one spelling only.
                if digits.len() != 32 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(bad);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| bad)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// The name of a task, `task_…`.
    TaskId,
    "task_"
);
id!(
    /// A project as clients call it, `proj_…`.
    ProjectUid,
    "proj_"
);
id!(
    /// An API key, without its secret.
    KeyId,
    "key_"
);
id!(
    /// A schedule, `sched_…`.
    ScheduleId,
    "sched_"
);
id!(
    /// One life of a worker process, from its registration to its end. A restarted worker is a new incarnation.
    WorkerId,
    "wrk_"
);

id!(
    /// A standing endpoint that is told of events.
    WebhookId,
    "whk_"
);
id!(
    /// What is told of one event, the same however often and to whom it is sent: the `webhook-id` of requests.
    MessageId,
    "msg_"
);
id!(
    /// One message for one receiver.
    DeliveryId,
    "dlv_"
);
id!(
    /// Whose turn it is among receivers: an endpoint, or the host of receivers of single tasks.
    LaneId,
    "lane_"
);
id!(
    /// One life of a process that delivers.
    DelivererId,
    "dlr_"
);

impl TaskId {
    /// The smallest id that can be made at a time.
    #[must_use]
    pub fn first_at(time: SystemTime) -> Self {
        let ms = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        Self(Uuid::from_u128(ms << 80))
    }

    /// When it was made, by the clock of whoever accepted the task; nothing if it was made otherwise.
    #[must_use]
    pub fn made_at(self) -> Option<SystemTime> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
    }

    /// The id that is `n` behind this one: the tasks of a batch are numbered through, so that the first one names them all.
    #[must_use]
    pub fn nth(self, n: u128) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().wrapping_add(n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_spelling_and_nothing_else_is_one() {
        let id = TaskId::new();
        assert_eq!(id.to_string().parse(), Ok(id));

        let hex = id.0.simple().to_string();
        for wrong in [
            hex.clone(),
            format!("wrk_{hex}"),
            format!("task_{}", hex.to_uppercase()),
            format!("task_{}", id.0),
            "task_".into(),
            String::new(),
        ] {
            // A digit-only id has no capital form.
            if wrong.strip_prefix("task_") != Some(hex.as_str()) {
                assert!(wrong.parse::<TaskId>().is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn an_id_knows_when_it_was_made() {
        let began = SystemTime::now() - Duration::from_millis(1);
        let id = TaskId::new();
        assert!(id.made_at().is_some_and(|made| began <= made && made <= SystemTime::now()));
        assert!(TaskId::first_at(began) <= id && id < TaskId::first_at(SystemTime::now() + Duration::from_secs(1)));
        assert_eq!(TaskId(Uuid::from_u128(7)).made_at(), None);
    }

    #[test]
    fn later_ids_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| TaskId::new().to_string()).collect();
        assert!(ids.is_sorted());
    }
}
