//! When scheduled work starts. Pure: no I/O and no clock; whoever asks says what time it is.
//!
//! - [`Cron`] is an expression: which times of a wall clock it means.
//! - [`Schedule`] puts it (or a steady interval) into a time zone and gives the next [`Fire`], also where clocks are changed ([`Dst`]).
//! - [`Schedule::due`] decides what happens to fires that nobody was there for ([`CatchUp`]), and says why some are left out.
//! - [`Spec`] is a schedule as it is written down, and says everything that is wrong with it.
//! - [`Overlap`] decides what happens when the task of an earlier fire still runs.
//!
//! Expressions are evaluated here and not by a library. The law of time zones with its reasons is the larger part of it, and those
//! that were looked at (croner, cron, saffron) let neither the law be chosen nor tell why a time was moved; croner follows a gap second
//! by second and gives up after two hours, but in 2011 Samoa skipped a day.
//!
//! Time zones are in the program (`jiff` with its own database), not on the host: schedulers on two hosts must not disagree.

mod cron;
mod due;
mod fire;
mod instant;
mod overlap;
mod schedule;
mod spec;
mod word;
mod zone;

pub use crate::{
    cron::{Cron, CronError, Field},
    due::{CatchUp, Due, GRACE, LeftOut, Why},
    fire::{Fire, Oddity},
    overlap::{Overlap, Start},
    schedule::{Every, EveryError, Jitter, Schedule, When},
    spec::{Spec, SpecFault},
    word::UnknownWord,
    zone::{Dst, UnknownZone, Zone},
};
