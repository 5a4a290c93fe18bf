//! What a task is, and the law of its life. No I/O: this crate decides, others act.

pub mod context;
pub mod error;
pub mod fault;
pub mod id;
pub mod instant;
pub mod integrity;
pub mod kind;
pub mod limits;
pub mod port;
pub mod progress;
pub mod project;
pub mod registry;
pub mod retry;
pub mod schema;
pub mod scope;
pub mod state;
pub mod submission;
pub mod task;
pub mod ticket;
pub mod times;

pub use context::{Engines, JobContext};
pub use error::JobError;
pub use fault::Fault;
pub use id::{DelivererId, DeliveryId, KeyId, LaneId, MessageId, ProjectUid, ScheduleId, TaskId, WebhookId, WorkerId};
pub use integrity::Defect;
pub use kind::JobKind;
pub use limits::{GroupSettings, QueueSettings, Rate};
pub use progress::{LogLevel, Progress};
pub use project::{GroupKey, ProjectId};
pub use registry::Registry;
pub use retry::RetryPolicy;
pub use scope::{Scope, Scopes};
pub use state::{Event, State};
pub use task::{NewTask, Task, TaskError};
pub use ticket::Ticket;
pub use times::{Expected, Times};
