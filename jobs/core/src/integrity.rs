//! The integrity of a task's place: every unfinished task has exactly one, and what can be wrong with it.

use std::time::Duration;

use Defect as D;

/// A worker that took a task this long ago should have claimed it in the rows.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(8);

/// What the rows say of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is queued: it belongs into the index.
    Queued,
    /// A worker holds it, and that worker's lease goes on.
    Held,
    /// A worker holds it whose lease has ended.
    Orphaned,
    /// It has ended, waits for a time or for other tasks, or there is no such task: it does not belong into the index.
    Elsewhere,
}

/// What the index says of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// It is among the ready ones of its group.
    pub ready: bool,
    /// Its group takes turns, or waits for a limit.
    pub reachable: bool,
    /// A worker took it this long ago.
    pub held: Option<Duration>,
}

/// What is wrong with the place of a task, or with what is counted of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// It is queued, and the index does not have it.
    Missing,
    /// It is queued, and was taken from the index long ago.
    Unclaimed,
    /// It is queued, and both ready and taken.
    Doubled,
    /// It is ready, and its group takes no turns.
    Stranded,
    /// The index says that it is ready, and it is not queued.
    StrangeReady,
    /// The index says that it is taken, and nobody holds it.
    StrangeHeld,
    /// A worker holds it, and the index does not say so.
    Unheld,
    /// It is held by a worker that is gone.
    Orphaned,
    /// It waits for other tasks, and all of them have ended.
    Stuck,
    /// The number of tasks that a group has running is not the number of those that are taken.
    GroupCount,
    /// The number of tasks that are ready in a queue is another one.
    Depth,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 11] = [
        D::Missing,
        D::Unclaimed,
        D::Doubled,
        D::Stranded,
        D::StrangeReady,
        D::StrangeHeld,
        D::Unheld,
        D::Orphaned,
        D::Stuck,
        D::GroupCount,
        D::Depth,
    ];

    /// What is wrong with a task's place, if anything is.
    #[must_use]
    pub fn of(standing: Standing, place: Place) -> Option<Self> {
        match (standing, place) {
            (Standing::Orphaned, _) => Some(D::Orphaned),
            (Standing::Queued, Place { ready: true, held: Some(_), .. }) => Some(D::Doubled),
            (Standing::Queued, Place { ready: true, reachable: false, .. }) => Some(D::Stranded),
            (Standing::Queued, Place { ready: true, .. }) => None,
            (Standing::Queued, Place { held: Some(since), .. }) => (since >= CLAIM_LIMIT).then_some(D::Unclaimed),
            (Standing::Queued, _) => Some(D::Missing),
            (Standing::Held | Standing::Elsewhere, Place { ready: true, .. }) => Some(D::StrangeReady),
            (Standing::Held, Place { held: None, .. }) => Some(D::Unheld),
            (Standing::Elsewhere, Place { held: Some(_), .. }) => Some(D::StrangeHeld),
            (Standing::Held | Standing::Elsewhere, _) => None,
        }
    }

    /// The spelling in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            D::Missing => "missing",
            D::Unclaimed => "unclaimed",
            D::Doubled => "doubled",
            D::Stranded => "stranded",
            D::StrangeReady => "strange_ready",
            D::StrangeHeld => "strange_held",
            D::Unheld => "unheld",
            D::Orphaned => "orphaned",
            D::Stuck => "stuck",
            D::GroupCount => "group_count",
            D::Depth => "depth",
        }
    }

    /// What it means and what is done about it, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            D::Missing => "queued tasks that Redis did not have; they were pushed",
            D::Unclaimed => "queued tasks that a worker took from Redis and never claimed; they were pushed again",
            D::Doubled => "queued tasks that Redis had both as ready and as taken; they are ready",
            D::Stranded => "queued tasks of groups that took no turns; their groups do again",
            D::StrangeReady => "tasks that Redis had as ready and that were not queued; they were withdrawn",
            D::StrangeHeld => "tasks that Redis had as taken and that nobody held; they were forgotten",
            D::Unheld => "running tasks that Redis did not count; they are counted",
            D::Orphaned => "running tasks of workers that are gone; they were taken back",
            D::Stuck => "tasks that waited for others, all of which had ended; they wait no longer",
            D::GroupCount => "groups whose number of running tasks was wrong; it was set right",
            D::Depth => "queues whose number of ready tasks was wrong; it was set right",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_place_is_right_for_each_standing() {
        let nowhere = Place::default();
        let ready = Place { ready: true, reachable: true, held: None };
        let stranded = Place { reachable: false, ..ready };
        let taken = Place { held: Some(Duration::ZERO), ..nowhere };
        let long = Place { held: Some(CLAIM_LIMIT), ..nowhere };
        let both = Place { ready: true, ..taken };
        let places = [nowhere, ready, stranded, taken, long, both];
        let defects = |standing| places.map(|place| Defect::of(standing, place));
        assert_eq!(
            defects(Standing::Queued),
            [Some(D::Missing), None, Some(D::Stranded), None, Some(D::Unclaimed), Some(D::Doubled)]
        );
        let strange = Some(D::StrangeReady);
        assert_eq!(defects(Standing::Held), [Some(D::Unheld), strange, strange, None, None, strange]);
        let held = Some(D::StrangeHeld);
        assert_eq!(defects(Standing::Elsewhere), [None, strange, strange, held, held, strange]);
        assert_eq!(defects(Standing::Orphaned), [Some(D::Orphaned); 6]);
    }
}
