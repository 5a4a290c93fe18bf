//! A socket: it listens to its client, and tells it what is new as fast as the client takes it.
//!
//! Nothing waits here for a client but the names of tasks that changed, each once: what is told is read when there is room for it.
//! A client that cannot keep up gets the task as it stands instead of all that it missed.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::extract::ws::{Message, WebSocket};
use jobs_core::{Fault, State, Task, TaskId};
use jobs_queue::{Inbox, News};
use jobs_store::{Filter, Label, Order, StoreError};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    guest::Guest,
    inbound::{Inbound, Subscribe, Wanted},
    outbound::{self, Close, Outbound},
    place::Place,
    subscription::{Cursor, Subscription},
    topics::Arrival,
    wire::{Done, Over, Wire},
};
use crate::{app::Shared, caller::Caller, follow::Told, links::Links, problem::Problem, view::TaskView};

/// A client's message is no longer, in bytes.
const MESSAGE_MAX: usize = 64 << 10;
/// A socket has no more subscriptions,
const SUBSCRIPTIONS_MAX: usize = 50;
/// and follows no more tasks.
const TASKS_MAX: usize = 5_000;
/// So many arrivals of tags and groups wait.
const ARRIVALS: usize = 10_000;
/// So many tasks of a tag or a group are read at once.
const PAGE: u32 = 100;
/// How often the client is asked whether it is there, and its key is looked at.
const PING: Duration = Duration::from_secs(10);
/// A client of which nothing was heard for so long is gone.
const IDLE: Duration = Duration::from_secs(60);
/// A client that kept us waiting for so long since it had everything is slow,
const SLOW: Duration = Duration::from_secs(1);
/// and of a task of which it missed more events than this it gets a snapshot.
const LAG: i64 = 100;
/// The database is asked again after this long, while it is away.
const AWAY: Duration = Duration::from_secs(1);

/// One socket.
pub(super) struct Socket {
    app: Shared,
    caller: Caller,
    guest: Guest,
    links: Links,
    wire: Wire,
    subscriptions: Vec<Subscription>,
    inbox: Arc<Inbox>,
    arrivals: mpsc::Sender<Arrival>,
    /// Tasks that may have news, in their order, each once.
    dirty: VecDeque<TaskId>,
    is_dirty: HashSet<TaskId>,
    /// Postgres is not asked before.
    pause: Option<Instant>,
}

impl Socket {
    /// Serves a client until one side has enough.
    pub(super) async fn serve(app: Shared, mut place: Place, mut guest: Guest, links: Links, web: WebSocket) {
        let mut wire = Wire::new(web);
        let close = match guest.caller(&app, &mut wire).await {
            Err(Over(close)) => close,
            Ok(caller) if !place.belong(caller.key) => Some(Close::TooMany),
            Ok(caller) => {
                let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
                let (inbox, dirty, is_dirty) = (Inbox::new(), VecDeque::new(), HashSet::new());
                let subscriptions = Vec::new();
                let mut socket = Self {
                    app,
                    caller,
                    guest,
                    links,
                    wire,
                    subscriptions,
                    inbox,
                    arrivals,
                    dirty,
                    is_dirty,
                    pause: None,
                };
                let close = socket.talk(&mut arrived).await.err().and_then(|Over(close)| close);
                wire = socket.wire;
                close
            }
        };
        if let Some(close) = close {
            // Whoever is gone does not hear it.
            let _ = wire.send(close.message()).await;
        }
    }

    async fn talk(&mut self, arrived: &mut mpsc::Receiver<Arrival>) -> Done {
        let stopping = self.app.stopping.clone();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let has_work = !self.dirty.is_empty() && self.pause.is_none();
            tokio::select! {
                biased;
                () = stopping.cancelled() => return Err(Over(Some(Close::GoingAway))),
                message = self.wire.web.recv() => {
                    heard = Instant::now();
                    let Some(Ok(message)) = message else { return Err(Over(None)) };
                    self.hear(message).await?;
                }
                _ = ping.tick() => {
                    if heard.elapsed() > IDLE {
                        return Err(Over(Some(Close::Idle)));
                    }
                    self.guest.look(&self.app, &mut self.wire).await?;
                    self.wire.send(Message::Ping(Vec::new().into())).await?;
                }
                news = self.inbox.news() => self.note(news).await?,
                Some(arrival) = arrived.recv() => self.arrive(&arrival),
                () = sleep_until(self.pause.unwrap_or_else(Instant::now)), if self.pause.is_some() => self.pause = None,
                () = std::future::ready(()), if has_work => self.work().await?,
            }
        }
    }

    /// Does what the client says.
    async fn hear(&mut self, message: Message) -> Done {
        let text = match message {
            Message::Text(text) if text.len() <= MESSAGE_MAX => text,
            Message::Text(_) => return Err(Over(Some(Close::TooLong))),
            Message::Binary(_) => return Err(Over(Some(Close::Binary))),
            Message::Close(_) => return Err(Over(None)),
            // Answered by the protocol.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        match Inbound::read(&text) {
            Ok(Inbound::Subscribe(subscribe)) => match self.subscribe(&subscribe).await {
                Ok(()) => Ok(()),
                Err(Refused::Over(over)) => Err(over),
                Err(Refused::Problem(problem)) => {
                    self.wire.send(outbound::error(Some(&subscribe.id), None, &problem)).await
                }
            },
            Ok(Inbound::Unsubscribe { id }) => {
                // Also of one that has completed meanwhile: what was asked for is so.
                self.subscriptions.retain(|subscription| *subscription.id != *id);
                self.wire.send(Outbound::Unsubscribed { id: &id }.message()).await
            }
            Ok(Inbound::Ping { id }) => self.wire.send(Outbound::Pong { id: id.as_deref() }.message()).await,
            // It was let in already.
            Ok(Inbound::Auth { .. }) => self.wire.send(Outbound::Authenticated.message()).await,
            Err(problem) => self.wire.send(outbound::error(None, None, &problem)).await,
        }
    }

    async fn subscribe(&mut self, asked: &Subscribe) -> Result<(), Refused> {
        let (wanted, after) = asked.read()?;
        if self.subscriptions.iter().any(|subscription| *subscription.id == *asked.id) {
            return Err(Problem::invalid(vec![Fault::new("/id", "a subscription of this socket has this id")]).into());
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            let detail = format!("a socket has at most {SUBSCRIPTIONS_MAX} subscriptions");
            return Err(Problem::invalid(vec![Fault::new("/id", detail)]).into());
        }
        let named: Vec<TaskId> = match &wanted {
            Wanted::Tasks(tasks) => tasks.clone(),
            _ => after.keys().copied().collect(),
        };
        if self.tasks() + named.len() > TASKS_MAX {
            return Err(too_many("/tasks").into());
        }
        let id: Arc<str> = asked.id.as_str().into();
        let mut subscription = Subscription { id, wanted, cursors: Default::default(), _listening: None };
        // First the watch, then the look: no change is missed.
        for task in &named {
            let cursor = Cursor::new(&self.app, *task, after.get(task).copied().unwrap_or(0), &self.inbox);
            subscription.cursors.insert(*task, cursor);
        }
        let labels = self.app.store.labels(&named).await?;
        let known: HashSet<TaskId> = labels
            .iter()
            .filter(|label| label.project == self.caller.project && subscription.wants(label))
            .map(|label| label.task)
            .collect();
        match &subscription.wanted {
            Wanted::Tasks(tasks) => {
                if let Some(unknown) = tasks.iter().find(|task| !known.contains(task)) {
                    return Err(Problem::no_task(&unknown.to_string()).into());
                }
            }
            topic => {
                // What the client knows and is gone meanwhile is no fault of its.
                subscription.cursors.retain(|task, _| known.contains(task));
                let (id, inbox) = (Arc::clone(&subscription.id), Arc::clone(&self.inbox));
                let listening =
                    self.app.topics.listen((self.caller.project, topic.clone()), id, self.arrivals.clone(), inbox);
                subscription._listening = Some(listening);
            }
        }
        self.wire.send(Outbound::Subscribed { id: &asked.id }.message()).await?;
        let tasks: Vec<TaskId> = subscription.cursors.keys().copied().collect();
        self.subscriptions.push(subscription);
        tasks.into_iter().for_each(|task| self.mark(task));
        let index = self.subscriptions.len() - 1;
        match self.look_around(index, true).await {
            // Looked at again as soon as the database is back.
            Err(Refused::Problem(_)) => {
                self.inbox.miss();
                Ok(())
            }
            looked => looked,
        }
    }

    /// Tells of the unfinished tasks of a tag or a group that the client was not told of: the first time as they stand, later from their
    /// beginning.
    async fn look_around(&mut self, index: usize, is_first: bool) -> Result<(), Refused> {
        let subscription = &self.subscriptions[index];
        let mut filter = Filter {
            states: State::ALL.into_iter().filter(|state| !state.is_terminal()).collect(),
            ..Filter::default()
        };
        match &subscription.wanted {
            Wanted::Tasks(_) => return Ok(()),
            Wanted::Tag(tag) => filter.tag = Some(tag.clone()),
            Wanted::Group(group) => filter.group = Some(group.clone()),
        }
        let mut before = None;
        loop {
            let page = self.app.store.list(self.caller.project, &filter, Order::Newest, before, PAGE).await?;
            for (task, _) in page.tasks {
                if !self.subscriptions[index].cursors.contains_key(&task.id) {
                    if !self.has_room() {
                        return self.end(index).await.map_err(Refused::Over);
                    }
                    let (id, after) = (task.id, if is_first { task.seq } else { 0 });
                    let mut cursor = Cursor::new(&self.app, id, after, &self.inbox);
                    cursor.is_live = true;
                    self.subscriptions[index].cursors.insert(id, cursor);
                    if is_first {
                        let told = snapshot(task, &self.links);
                        self.wire.send(outbound::event(&self.subscriptions[index].id, id, &told, true)).await?;
                    }
                    // It may have changed since it was read.
                    self.mark(id);
                }
            }
            let Some(next) = page.next else { return Ok(()) };
            before = Some(next);
        }
    }

    /// Notes what may have changed.
    async fn note(&mut self, news: News) -> Done {
        news.tasks.into_iter().for_each(|task| self.mark(task));
        if !news.missed {
            return Ok(());
        }
        let all: Vec<TaskId> = self.subscriptions.iter().flat_map(|known| known.cursors.keys().copied()).collect();
        all.into_iter().for_each(|task| self.mark(task));
        for index in (0..self.subscriptions.len()).rev() {
            match self.look_around(index, false).await {
                Ok(()) => {}
                Err(Refused::Over(over)) => return Err(over),
                Err(Refused::Problem(_)) => {
                    // Not at once: the database is away.
                    let (inbox, later) = (Arc::clone(&self.inbox), Instant::now() + AWAY);
                    tokio::spawn(async move {
                        sleep_until(later).await;
                        inbox.miss();
                    });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A task of a tag or a group came, or changed.
    fn arrive(&mut self, Arrival { subscription, task }: &Arrival) {
        let has_room = self.has_room();
        // By identity: another one may have the name by now.
        let subscription = self.subscriptions.iter_mut().find(|known| Arc::ptr_eq(&known.id, subscription));
        let Some(subscription) = subscription else { return };
        if !subscription.cursors.contains_key(task) {
            if !has_room {
                // Looking around ends the subscription.
                return self.inbox.miss();
            }
            // From its beginning; as it stands, should the client be slow.
            let mut cursor = Cursor::new(&self.app, *task, 0, &self.inbox);
            cursor.is_live = true;
            subscription.cursors.insert(*task, cursor);
        }
        self.mark(*task);
    }

    fn mark(&mut self, task: TaskId) {
        if self.is_dirty.insert(task) {
            self.dirty.push_back(task);
        }
    }

    /// Tells what is new of one task.
    async fn work(&mut self) -> Done {
        let Some(task) = self.dirty.pop_front() else { return Ok(()) };
        self.is_dirty.remove(&task);
        for index in (0..self.subscriptions.len()).rev() {
            match self.tell(index, task).await {
                Ok(()) => {}
                Err(Refused::Over(over)) => return Err(over),
                Err(Refused::Problem(_)) => {
                    self.mark(task);
                    self.pause = Some(Instant::now() + AWAY);
                    return Ok(());
                }
            }
        }
        if self.dirty.is_empty() {
            self.wire.stalled = Duration::ZERO;
        }
        Ok(())
    }

    async fn tell(&mut self, index: usize, task: TaskId) -> Result<(), Refused> {
        let subscription = &mut self.subscriptions[index];
        let Some(cursor) = subscription.cursors.get_mut(&task) else { return Ok(()) };
        let seen = cursor.watch.seen();
        if cursor.is_live && self.wire.stalled > SLOW {
            let now = found(self.app.store.get(self.caller.project, task).await)?;
            if let Some(now) = now.filter(|now| now.seq - cursor.after > LAG) {
                cursor.after = now.seq;
                // One that has ended comes as it ended.
                cursor.has_gap = now.state.is_terminal();
                if !cursor.has_gap {
                    let told = snapshot(now, &self.links);
                    self.wire.send(outbound::event(&subscription.id, task, &told, true)).await?;
                }
            }
        }
        let Some(step) = found(Box::pin(cursor.feed.behind(&self.app.store, seen, cursor.after)).await)? else {
            subscription.cursors.remove(&task);
            let problem = Problem::no_task(&task.to_string());
            self.wire.send(outbound::error(Some(&subscription.id), Some(task), &problem)).await?;
            return Ok(self.complete(index).await?);
        };
        for told in &step.told {
            self.wire.send(outbound::event(&subscription.id, task, told, false)).await?;
            cursor.after = told.seq;
            (cursor.is_over, cursor.has_gap) = (false, false);
        }
        if step.more {
            self.mark(task);
            return Ok(());
        }
        cursor.is_live = true;
        let Some(end) = step.end.filter(|_| !cursor.is_over) else { return Ok(()) };
        let done = end.told(&self.links);
        // A client that comes back behind `done` has it.
        if cursor.after < done.seq {
            self.wire.send(outbound::event(&subscription.id, task, &done, cursor.has_gap)).await?;
        }
        cursor.is_over = true;
        Ok(self.complete(index).await?)
    }

    /// Ends a subscription of which nothing will ever be new.
    async fn complete(&mut self, index: usize) -> Done {
        if !self.subscriptions[index].is_complete() {
            return Ok(());
        }
        let subscription = self.subscriptions.remove(index);
        self.wire.send(Outbound::Completed { id: &subscription.id }.message()).await
    }

    /// Ends a subscription that has more tasks than a socket may follow.
    async fn end(&mut self, index: usize) -> Done {
        let subscription = self.subscriptions.remove(index);
        self.wire.send(outbound::error(Some(&subscription.id), None, &too_many(""))).await
    }

    /// Whether another task may be followed; forgets those that have ended to make room.
    fn has_room(&mut self) -> bool {
        if self.tasks() >= TASKS_MAX {
            self.subscriptions.iter_mut().for_each(Subscription::forget_ended);
        }
        self.tasks() < TASKS_MAX
    }

    fn tasks(&self) -> usize {
        self.subscriptions.iter().map(|subscription| subscription.cursors.len()).sum()
    }
}

/// Why something could not be done.
enum Refused {
    Problem(Problem),
    Over(Over),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Over> for Refused {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}

impl Subscription {
    /// Whether a task is one of those that are meant.
    fn wants(&self, label: &Label) -> bool {
        match &self.wanted {
            Wanted::Tasks(_) => true,
            Wanted::Tag(tag) => label.tags.contains(tag),
            Wanted::Group(group) => label.group == *group,
        }
    }
}

fn too_many(pointer: &'static str) -> Problem {
    Problem::invalid(vec![Fault::new(pointer, format!("a socket follows at most {TASKS_MAX} tasks"))])
}

/// An unfinished task as it stands, instead of what happened to it.
fn snapshot(task: Task, links: &Links) -> Told {
    let seq = task.seq;
    Told::new(seq, "snapshot", &TaskView::new(task, Vec::new(), links))
}

/// Nothing when there is no such task any more.
fn found<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
