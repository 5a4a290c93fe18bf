//! Webhooks: others are told of what happens here, in order, until they have received it or the law of retries gives up.
//!
//! An event is written in the commit of what it tells, where anybody listens. The leading scheduler makes messages of events, rendered
//! once, and a delivery for each who listens ([`FanOut`]). Every scheduler delivers ([`Deliverer`]): it leases lanes, one for each
//! endpoint, so that no endpoint slows another, and what it says of deliveries is fenced by the lane's epoch. A delivery is attempted
//! at least once under one `webhook-id`; how it ended is recorded once.
//!
//! [`law`] decides, and does nothing else. Requests go out through `jobs-outbound` and nowhere else.

mod deliverer;
mod fan_out;
mod filter;
mod lane;
pub mod law;
mod message;
mod metrics;
mod outbound;
mod pattern;
mod recorder;
mod secret;
mod send;
mod sender;
pub mod sign;
mod slots;

pub use deliverer::{Deliverer, Options};
pub use fan_out::FanOut;
pub use message::test_message;
pub use metrics::expose;
pub use outbound::outbound;
pub use pattern::is_pattern;
pub use secret::{BadSecret, SEALED_FOR, Secret};
