//! The audit: every unfinished task has exactly one place, and what is counted of places is right.
//!
//! It walks through the rows and through the index, a page at a time, and asks of each task it meets what the rows and the index say.
//! Between the two there is mostly a word on its way, so a defect is one only if it is still there a while later while nothing
//! happened to the task. Then it is repaired and counted. While everything is well it changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use jobs_core::{
    Defect, TaskId, Ticket,
    integrity::{Place, Standing},
};
use jobs_queue::{Queue, QueueError, Taken, Walk};
use jobs_store::{Position, Round, Stand, Store, StoreError};
use tracing::warn;

/// Rows are read in pages of so many.
const PAGE: u32 = 1_000;
/// A word between Postgres and Redis arrives within this.
const GRACE: Duration = Duration::from_secs(2);

/// One of the two servers is away.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// Postgres is.
    #[error(transparent)]
    Postgres(#[from] StoreError),
    /// Redis is.
    #[error(transparent)]
    Redis(#[from] QueueError),
}

/// An audit under way.
#[derive(Debug)]
pub struct Audit {
    store: Store,
    queue: Queue,
    repair: bool,
    rows: Rows,
    walks: BTreeMap<String, Walk>,
    /// Queues that tasks were seen in.
    queues: BTreeSet<String>,
    suspects: HashMap<TaskId, Suspect>,
    /// Tasks that seemed to wait in vain: the version of each, and since when.
    stuck: HashMap<TaskId, (i64, Instant)>,
    began: Instant,
    round: Round,
    found: BTreeMap<Defect, u64>,
}

/// Where the walk through the rows is.
#[derive(Debug, Clone, Copy)]
enum Rows {
    Queued(Position),
    Running(Option<TaskId>),
    Blocked(Option<TaskId>),
    Over,
}

/// A task that seemed to be out of its place.
#[derive(Debug)]
struct Suspect {
    defect: Defect,
    /// The version of its row; none if it has no row.
    seq: Option<i64>,
    queue: String,
    taken: Taken,
    since: Instant,
}

impl Audit {
    /// An audit that repairs what it finds, or only tells.
    #[must_use]
    pub fn new(store: Store, queue: Queue, repair: bool) -> Self {
        Self {
            store,
            queue,
            repair,
            rows: Rows::Queued(Position::default()),
            walks: BTreeMap::new(),
            queues: BTreeSet::new(),
            suspects: HashMap::new(),
            stuck: HashMap::new(),
            began: Instant::now(),
            round: Round::default(),
            found: BTreeMap::new(),
        }
    }

    /// A whole round, and the time it takes to be sure of what it suspects. Gives what it found.
    ///
    /// # Errors
    /// When a server is away.
    pub async fn round(&mut self) -> Result<(Round, BTreeMap<Defect, u64>), Away> {
        self.begin().await?;
        while !self.is_over() {
            self.pages().await?;
        }
        if !self.suspects.is_empty() || !self.stuck.is_empty() {
            tokio::time::sleep(GRACE).await;
            self.judge().await?;
        }
        Ok((self.end(), std::mem::take(&mut self.found)))
    }

    /// Starts a round.
    pub(crate) async fn begin(&mut self) -> Result<(), Away> {
        (self.began, self.round, self.rows) = (Instant::now(), Round::default(), Rows::Queued(Position::default()));
        self.queues.extend(self.store.workers().await?.into_iter().flat_map(|worker| worker.queues.into_keys()));
        self.queues.extend(self.store.queues().await?.into_iter().map(|queue| queue.name));
        self.walks = self.queues.iter().map(|queue| (queue.clone(), Walk::default())).collect();
        Ok(())
    }

    /// Whether the round is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.rows, Rows::Over) && self.walks.values().all(Walk::is_over)
    }

    /// Ends a round.
    pub(crate) fn end(&mut self) -> Round {
        self.round.took = self.began.elapsed();
        self.round
    }

    /// What was found since the last call.
    pub(crate) fn take_found(&mut self) -> Vec<(Defect, u64)> {
        std::mem::take(&mut self.found).into_iter().collect()
    }

    /// Looks at some pages: small ones side by side, large ones one at a time.
    pub(crate) async fn pages(&mut self) -> Result<(), Away> {
        let enough = self.round.tasks + self.round.entries + u64::from(PAGE);
        while !self.is_over() && self.round.tasks + self.round.entries < enough {
            self.page().await?;
        }
        Ok(())
    }

    /// Looks at a page of the rows and a page of each queue.
    async fn page(&mut self) -> Result<(), Away> {
        self.page_of_rows().await?;
        let mut walks = std::mem::take(&mut self.walks);
        for (queue, walk) in walks.iter_mut().filter(|(_, walk)| !walk.is_over()) {
            let page = self.queue.walk(queue, walk).await?;
            self.round.entries += page.len() as u64;
            self.look(queue, page).await?;
            if walk.is_over() {
                self.recount(queue).await?;
            }
        }
        self.walks = walks;
        Ok(())
    }

    async fn page_of_rows(&mut self) -> Result<(), Away> {
        let tickets = match self.rows {
            Rows::Queued(at) => {
                let (tickets, next) = self.store.queued(at, Duration::ZERO, PAGE).await?;
                self.rows = if tickets.is_empty() { Rows::Running(None) } else { Rows::Queued(next) };
                tickets
            }
            Rows::Running(after) => {
                let tickets = self.store.running(after, PAGE).await?;
                self.rows = tickets.last().map_or(Rows::Blocked(None), |last| Rows::Running(Some(last.task)));
                tickets
            }
            Rows::Blocked(after) => return self.page_of_blocked(after).await,
            Rows::Over => return Ok(()),
        };
        self.round.tasks += tickets.len() as u64;
        let mut queues: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
        for Ticket { task, queue, group, .. } in tickets {
            queues.entry(queue).or_default().push(Taken { task, group });
        }
        for (queue, tasks) in queues {
            self.look(&queue, tasks).await?;
            self.queues.insert(queue);
        }
        Ok(())
    }

    /// Suspects those of a page of tasks that wait for others and seem to wait in vain. The index does not know them.
    async fn page_of_blocked(&mut self, after: Option<TaskId>) -> Result<(), Away> {
        let blocked = self.store.blocked(after, PAGE).await?;
        self.rows = blocked.last().map_or(Rows::Over, |(last, _)| Rows::Blocked(Some(*last)));
        self.round.tasks += blocked.len() as u64;
        for (task, stuck) in blocked {
            if let Some(seq) = stuck {
                self.stuck.entry(task).or_insert((seq, Instant::now()));
            }
        }
        Ok(())
    }

    /// Looks again at those that have seemed to wait in vain for long enough.
    async fn judge_stuck(&mut self) -> Result<(), Away> {
        let ripe: Vec<(TaskId, i64)> = self
            .stuck
            .extract_if(|_, (_, since)| since.elapsed() >= GRACE)
            .map(|(task, (seq, _))| (task, seq))
            .collect();
        if ripe.is_empty() {
            return Ok(());
        }
        let stuck = self.store.still_stuck(&ripe).await?;
        if stuck.is_empty() {
            return Ok(());
        }
        warn!(count = stuck.len(), defect = Defect::Stuck.name(), "found {}", Defect::Stuck.meaning());
        self.add(Defect::Stuck, stuck.len() as u64);
        if self.repair {
            let settled = self.store.settle_stuck(&stuck).await?;
            self.queue.push(&settled.ready).await?;
            self.queue.announce(&settled.tasks()).await?;
        }
        Ok(())
    }

    /// Suspects those of the tasks that seem to be out of their place.
    async fn look(&mut self, queue: &str, tasks: Vec<Taken>) -> Result<(), Away> {
        if tasks.is_empty() {
            return Ok(());
        }
        // The rows come first here and last in `judge`: if a row is the same at both, it was so whenever Redis was asked.
        let stands = self.store.stands(&ids(&tasks)).await?;
        let places = self.queue.places(queue, &tasks).await?;
        for (taken, place) in tasks.into_iter().zip(places) {
            if let (Some(defect), seq) = defect(&stands, queue, &taken, place) {
                let suspect = Suspect { defect, seq, queue: queue.to_owned(), taken, since: Instant::now() };
                self.suspects.entry(suspect.taken.task).or_insert(suspect);
            }
        }
        Ok(())
    }

    /// Pushes queued tasks that the dispatcher misses, and counts them. It knows them to have waited for longer than any word takes.
    pub(crate) async fn put_back(&mut self, queue: &str, missing: &[Ticket]) -> Result<(), Away> {
        let tasks: Vec<Taken> =
            missing.iter().map(|ticket| Taken { task: ticket.task, group: ticket.group.clone() }).collect();
        let places = self.queue.places(queue, &tasks).await?;
        let stands = self.store.stands(&ids(&tasks)).await?;
        // Counted afterwards: what cannot be pushed now is missed again.
        self.queue.push(missing).await?;
        let mut defects: BTreeMap<Defect, u64> = BTreeMap::new();
        for ((taken, place), ticket) in tasks.iter().zip(places).zip(missing) {
            // One that became ready again may have run meanwhile.
            let is_same = stands.get(&taken.task).is_some_and(|stand| stand.ticket.ready_ms == ticket.ready_ms);
            if let (Some(defect), _) = defect(&stands, queue, taken, place)
                && is_same
            {
                *defects.entry(defect).or_default() += 1;
            }
        }
        for (defect, count) in defects {
            self.count(queue, defect, count);
        }
        Ok(())
    }

    /// Looks again at those that have been suspected for long enough. What still is as it was is repaired and counted.
    pub(crate) async fn judge(&mut self) -> Result<(), Away> {
        self.judge_stuck().await?;
        let mut queues: BTreeMap<String, Vec<Suspect>> = BTreeMap::new();
        for (_, suspect) in self.suspects.extract_if(|_, suspect| suspect.since.elapsed() >= GRACE) {
            queues.entry(suspect.queue.clone()).or_default().push(suspect);
        }
        for (queue, suspects) in queues {
            let tasks: Vec<Taken> = suspects.iter().map(|suspect| suspect.taken.clone()).collect();
            let places = self.queue.places(&queue, &tasks).await?;
            let stands = self.store.stands(&ids(&tasks)).await?;
            let is_so = |(suspect, place): &(Suspect, Place)| {
                defect(&stands, &queue, &suspect.taken, *place) == (Some(suspect.defect), suspect.seq)
            };
            let guilty = suspects.into_iter().zip(places).filter(is_so).map(|(suspect, _)| suspect);
            self.convict(&queue, guilty.collect(), &stands).await?;
        }
        Ok(())
    }

    async fn convict(
        &mut self,
        queue: &str,
        guilty: Vec<Suspect>,
        stands: &HashMap<TaskId, Stand>,
    ) -> Result<(), Away> {
        let mut defects: BTreeMap<Defect, Vec<Taken>> = BTreeMap::new();
        for suspect in guilty {
            defects.entry(suspect.defect).or_default().push(suspect.taken);
        }
        for (defect, tasks) in defects {
            self.count(queue, defect, tasks.len() as u64);
            if self.repair {
                self.mend(queue, defect, &tasks, stands).await?;
            }
        }
        Ok(())
    }

    fn count(&mut self, queue: &str, defect: Defect, count: u64) {
        warn!(queue, count, defect = defect.name(), "found {}", defect.meaning());
        self.add(defect, count);
    }

    fn add(&mut self, defect: Defect, count: u64) {
        *self.found.entry(defect).or_default() += count;
        self.round.defects += count;
    }

    async fn mend(
        &self,
        queue: &str,
        defect: Defect,
        tasks: &[Taken],
        stands: &HashMap<TaskId, Stand>,
    ) -> Result<(), Away> {
        match defect {
            Defect::Missing | Defect::Unclaimed | Defect::Doubled | Defect::Stranded => {
                let tickets =
                    tasks.iter().filter_map(|taken| stands.get(&taken.task)).map(|stand| stand.ticket.clone());
                self.queue.push(&tickets.collect::<Vec<_>>()).await?;
            }
            Defect::StrangeReady => self.queue.withdraw(queue, tasks).await?,
            Defect::StrangeHeld => self.queue.forget(queue, tasks).await?,
            Defect::Unheld => self.queue.hold(queue, tasks).await?,
            Defect::Orphaned => {
                let reaped = self.store.reap(PAGE).await?;
                self.queue.push(&reaped.ready).await?;
            }
            // These are of no task in a queue.
            Defect::Stuck | Defect::GroupCount | Defect::Depth => {}
        }
        Ok(())
    }

    async fn recount(&mut self, queue: &str) -> Result<(), Away> {
        let recount = self.queue.recount(queue, self.repair).await?;
        if recount.groups > 0 {
            self.count(queue, Defect::GroupCount, recount.groups);
        }
        if recount.depth {
            self.count(queue, Defect::Depth, 1);
        }
        Ok(())
    }
}

fn ids(tasks: &[Taken]) -> Vec<TaskId> {
    tasks.iter().map(|taken| taken.task).collect()
}

/// What is wrong with an entry, and the version of its row. An entry in the wrong queue or group belongs nowhere.
fn defect(stands: &HashMap<TaskId, Stand>, queue: &str, taken: &Taken, place: Place) -> (Option<Defect>, Option<i64>) {
    let stand = stands.get(&taken.task);
    let here = stand.filter(|stand| stand.ticket.queue == queue && stand.ticket.group == taken.group);
    let defect = Defect::of(here.map_or(Standing::Elsewhere, |stand| stand.standing), place);
    let is_expected = defect == Some(Defect::Missing) && stand.is_some_and(|stand| stand.is_alone);
    (defect.filter(|_| !is_expected), stand.map(|stand| stand.seq))
}
