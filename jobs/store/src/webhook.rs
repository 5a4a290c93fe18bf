//! Webhooks in rows: endpoints, what is to be told, whose turn it is, and what came of it.

mod deliver;
mod endpoint;
mod fan_out;
mod log;
mod mark;

pub use deliver::{Attempted, Claimed, Hand, Known, LaneNews, Outcome, Receiver, Recorded, Report};
pub use endpoint::{DisabledReason, EndpointChange, EndpointRow, Listening, NewEndpoint, Sealed};
pub use fan_out::{About, Happened, Moment, Moved, NewDelivery, NewMessage, Subject, Told};
pub use log::{AttemptRow, DeliveryRow, DeliveryStats, DeliveryStatus, Whose};
