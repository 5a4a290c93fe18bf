//! A definition, as it is written and stored.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a provider is asked, and how its answer is read.
///
/// An *expression* is a path (`$.price` from the innermost item, `^.price` from the one around it, `^^.price` from the
/// one around that), a literal, or an object with one of `path`, `template` (`"{$.name} {$.form}"`) and `const`, and a
/// `pipe` of steps that it goes through.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// How offers name the provider: small letters, digits and hyphens.
    pub id: String,
    /// How people name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the shape of the answer is documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The day on which somebody last compared the definition with its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<String>,
    /// A code of ISO 4217, or a path to one.
    pub currency: String,
    /// It sells the machines of others: offers name their seller.
    #[serde(default)]
    pub aggregator: bool,
    /// What kind of price this is, where it is not an offer: `bid_derived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_kind: Option<String>,
    /// What readers of the definition should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What is known of parts of GPUs that are sold as whole ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fractional: Option<String>,
    /// What to ask.
    pub request: Request,
    /// A path that finds something only when the answer is a failure: GraphQL fails with status 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Paths to the items, each inside of those of the path before it.
    pub items: Vec<String>,
    /// Expressions that are true of an item that is an offer.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Value>,
    /// What an item says of the offer: `sku`, `gpu`, `vram_gb` (of one GPU), `count`, `region`, `available`,
    /// `reliability`, `seller`, `tier`.
    pub fields: BTreeMap<String, Value>,
    /// The prices of an item; those that are null are none.
    pub prices: Vec<PriceRule>,
    /// What a good answer looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

/// What to ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET` or `POST`.
    #[serde(default = "get")]
    pub method: String,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A command whose output is the answer, in place of an address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Headers, none of which is a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Where the secret goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How long to wait for the answer, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// How often the provider may be asked: `10/min`, and whatever else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// One request for each value of each parameter: `{name}` in the address and in strings of the body is the value. A parameter that
    /// stands in neither goes into the query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fanout: BTreeMap<String, Value>,
    /// How to get the rest of a long answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paginate: Option<Paginate>,
    /// What readers of the request should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Where the secret goes. Every value is `secret:NAME`: definitions name secrets, they do not have them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Bearer …`
    Bearer(String),
    /// A header.
    Header(BTreeMap<String, String>),
    /// A parameter of the address.
    Query(BTreeMap<String, String>),
}

/// How to get the rest of a long answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Paginate {
    /// The answer has the next address.
    Next {
        /// The path to it.
        next: String,
    },
    /// The answer has a cursor, which goes into a parameter.
    Cursor {
        /// The path to it.
        cursor: String,
        /// The parameter.
        param: String,
    },
    /// Pages are numbered from 1.
    Page {
        /// The parameter.
        page: String,
        /// Stop at the first page without items.
        #[serde(default)]
        until_empty: bool,
        /// Stop after this page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// Items are skipped.
    Skip {
        /// The parameter.
        skip: String,
        /// By how many the next request skips more.
        size: u32,
    },
}

/// A price of an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceRule {
    /// The expression of the amount.
    pub value: Value,
    /// What the amount is multiplied by: `0.01` where it is in cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Decimal>,
    /// How long it buys.
    pub unit: Unit,
    /// What it buys.
    pub per: Per,
    /// The expression of the market: `on_demand`, `spot`, `reserved`, or one that is never compared by default.
    pub market: Value,
    /// The expression of the tier: `secure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Value>,
    /// What part of the machine it buys, where that is not all of it: `gpu_only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

/// How long a price buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month of 730 hours.
    Month,
}

impl Unit {
    /// The price of an hour, at a price of this unit.
    #[must_use]
    pub fn per_hour(self, price: Decimal) -> Option<Decimal> {
        match self {
            Self::Second => price.checked_mul(Decimal::from(3_600)),
            Self::Minute => price.checked_mul(Decimal::from(60)),
            Self::Hour => Some(price),
            Self::Day => price.checked_div(Decimal::from(24)),
            Self::Month => price.checked_div(Decimal::from(crate::compare::HOURS_PER_MONTH)),
        }
    }
}

/// What a price buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One GPU.
    Gpu,
    /// All GPUs of the offer.
    Instance,
}

/// What a good answer looks like. One that does not is suspicious, and replaces nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Fewer offers are suspicious.
    #[serde(default)]
    pub min_rows: usize,
    /// So many per cent fewer than usual are suspicious.
    #[serde(default = "half")]
    pub max_drop_pct: u8,
    /// Prices of a GPU hour that are believed, in the definition's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_range: Option<[Decimal; 2]>,
}

const fn half() -> u8 {
    50
}

/// How often a provider may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many requests
    pub requests: u32,
    /// in so many seconds.
    pub seconds: u32,
}

impl Rate {
    /// The rate that a text begins with: `10/min`, `2/s`, `600/h`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (requests, rest) = text.split_once('/')?;
        let unit: String = rest.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        let seconds = match unit.as_str() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            _ => return None,
        };
        let requests = requests.trim().parse().ok().filter(|requests| *requests > 0)?;
        Some(Self { requests, seconds })
    }
}
