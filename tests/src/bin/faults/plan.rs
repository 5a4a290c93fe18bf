//! The plan: which fault happens when, and to whom.

use std::{iter::repeat_n, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::options::Options;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The worker in this slot is killed.
    KillWorker(usize),
    /// The worker in this slot is paused for longer than its lease.
    PauseWorker(usize),
    /// Redis is killed and starts again, empty.
    KillRedis,
    /// Redis loses its data.
    Flush,
    /// Postgres stops as by a crash and starts again.
    StopPostgres,
}

/// A fault and its time, counted from the first submission.
pub(crate) type Planned = (Duration, Fault);

/// The faults in their order. The same seed and the same options give the same plan.
pub(crate) fn plan(options: &Options, seed: u64) -> Vec<Planned> {
    let mut rng = StdRng::seed_from_u64(seed);
    let times = |fault, times: u32| repeat_n(fault, times as usize);
    let mut faults: Vec<Fault> = times(Fault::KillWorker(0), options.worker_kills)
        .chain(times(Fault::PauseWorker(0), options.zombies))
        .chain(times(Fault::KillRedis, options.redis_kills))
        .chain(times(Fault::Flush, options.flushes))
        .chain(times(Fault::StopPostgres, options.postgres_stops))
        .collect();
    faults.shuffle(&mut rng);
    // One in each of as many equal parts of the time, so that they neither all come at once nor by the clock.
    let part = options.spread() / u32::try_from(faults.len().max(1)).unwrap_or(u32::MAX);
    let mut strike = |(nth, fault)| {
        let at = part * nth + part.mul_f64(rng.random_range(0.0..1.0));
        let slot = rng.random_range(0..usize::from(options.workers));
        let fault = match fault {
            Fault::KillWorker(_) => Fault::KillWorker(slot),
            Fault::PauseWorker(_) => Fault::PauseWorker(slot),
            other => other,
        };
        (at, fault)
    };
    (0..).zip(faults).map(&mut strike).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_plan_has_what_was_asked_for_in_order_and_is_decided_by_the_seed() {
        let options = Options::parse_from(["faults", "--workers", "3"]);
        let first = plan(&options, 1);

        assert_eq!(first.len(), 60 + 10 + 5 + 1 + 8);
        assert!(first.is_sorted_by_key(|(at, _)| *at));
        assert!(first.iter().all(|(at, _)| *at < options.spread()));
        assert_eq!(first.iter().filter(|(_, fault)| *fault == Fault::KillRedis).count(), 10);
        let slots = |fault: &Planned| matches!(fault.1, Fault::KillWorker(0..3) | Fault::PauseWorker(0..3));
        assert_eq!(first.iter().filter(|fault| slots(fault)).count(), 68);
        assert_eq!(first, plan(&options, 1));
        assert_ne!(first, plan(&options, 2));
    }
}
