//! The scheduler: starts what is scheduled, moves what is due, takes back what is lost, and keeps the queue true to the rows. Any number may run; one leads.

pub mod audit;
mod dispatch;
mod fire;
mod leader;
mod leftovers;
mod metrics;
mod reap;
mod retain;
mod scheduler;
mod settle;
mod timer;

pub use scheduler::run;
