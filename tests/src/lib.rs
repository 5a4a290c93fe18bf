//! The harness of the scenarios: real servers, the built programs, an oracle that reads the rows.
//!
//! A failed step is a panic that says what was seen. Every wait is for a state and has a bound.

mod client;
mod database;
mod executions;
mod oracle;
mod process;
mod programs;
mod proxy;
mod receiver;
mod servers;
mod socket;
mod stream;
mod system;
mod wait;

pub use client::{ADMIN_KEY, Answer, Client, SECRET_KEY};
pub use database::Database;
pub use executions::{Execution, Executions};
pub use oracle::{Fault, Sort, contradictions, faults, happened};
pub use process::Process;
pub use programs::{longshore, media};
pub use proxy::{Mode, Proxy};
pub use receiver::{Received, Receiver, Reply};
pub use servers::{DATABASE_VARIABLE, REDIS_VARIABLE, Servers};
pub use socket::Socket;
pub use stream::{Event, Stream};
pub use system::{Builder, System};
pub use wait::{eventually, quantile, soon};
