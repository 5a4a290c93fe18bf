//! The queue as apalis sees it: a backend that feeds a worker.
//!
//! Fetching happens in a task of its own that hands a task over when a slot is free, so a worker that is busy delays nobody,
//! and a fetch is never dropped half way. The backend never fails: a source that meets an outage waits for its end.

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::Task,
    worker::context::WorkerContext,
};
use futures::FutureExt;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{Load, fetch::Fetch};

/// Where tasks come from.
pub trait Source: Send + Sync + 'static {
    /// A task that is ours to run.
    type Item: Send + 'static;

    /// Takes at most `want` tasks, waiting until there is one. Gives none only when `stop` is cancelled; a fetch that is
    /// under way then is brought to its end.
    fn next(&self, want: usize, stop: &CancellationToken) -> impl Future<Output = Vec<Self::Item>> + Send;

    /// Gives back tasks that were taken and not started.
    fn give_back(&self, items: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// Feeds an apalis worker from a [`Source`].
pub struct Feed<S: Source> {
    source: Arc<S>,
    load: Arc<Load>,
    stop: CancellationToken,
    items: Option<mpsc::Receiver<S::Item>>,
    fetching: Option<JoinHandle<()>>,
    closing: Option<JoinHandle<()>>,
}

impl<S: Source> Feed<S> {
    /// A feed that takes what `load` has room for, until `stop` is cancelled.
    #[must_use]
    pub fn new(source: Arc<S>, load: Arc<Load>, stop: CancellationToken) -> Self {
        // Our own: a feed that ends by itself must not look like a stop of the lane.
        let stop = stop.child_token();
        Self { source, load, stop, items: None, fetching: None, closing: None }
    }

    fn start(&mut self) {
        let (fetch, items) = Fetch::new(self.source.clone(), self.load.clone(), self.stop.clone());
        self.items = Some(items);
        self.fetching = Some(tokio::spawn(fetch.run()));
    }

    /// Gives back what was handed over and not started, and waits for the fetching task, which gives back what it holds.
    fn close(&mut self) {
        let Some(mut items) = self.items.take() else { return };
        let (source, load, fetching) = (self.source.clone(), self.load.clone(), self.fetching.take());
        // From here on nothing comes any more: the fetching task keeps it and gives it back itself.
        items.close();
        let closing = async move {
            let mut left = Vec::new();
            while let Some(item) = items.recv().await {
                left.push(item);
            }
            let count = left.len();
            if count > 0 {
                source.give_back(left).await;
                load.unhand(count);
                load.give_back(count);
            }
            if let Some(fetching) = fetching {
                // A panic in it was logged when it happened.
                let _ = fetching.await;
            }
        };
        // Without a runtime there is nobody left to give anything back to: the leases end.
        self.closing = Handle::try_current().ok().map(|runtime| runtime.spawn(closing));
    }
}

impl<S: Source> Drop for Feed<S> {
    /// A worker that breaks drops its feed unclosed. The lane starts again in the same life, so no lease would end.
    fn drop(&mut self) {
        self.stop.cancel();
        self.close();
    }
}

impl<S: Source> Backend for Feed<S> {
    type Task = Task<S::Item>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        if self.items.is_none() && self.closing.is_none() {
            self.start();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let Some(items) = self.items.as_mut() else { return Poll::Ready(None) };
        if self.stop.is_cancelled() {
            // What has not begun is given back at once, while what runs goes on.
            self.close();
            return Poll::Ready(None);
        }
        let item = ready!(items.poll_recv(cx));
        Poll::Ready(item.map(|item| Ok(Task::new(item))))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        self.close();
        if let Some(closing) = &mut self.closing {
            // A panic in it was logged by its task.
            let _ = ready!(closing.poll_unpin(cx));
            self.closing = None;
        }
        // A worker whose backend has ended still waits for somebody to stop it; it is an error if somebody did.
        let _ = worker.stop();
        Poll::Ready(Ok(()))
    }
}

impl<S: Source> BackendConfig for Feed<S> {
    type Args = S::Item;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Load;
    type Layer = tower_layer::Identity;

    fn config(&self) -> &Load {
        &self.load
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> tower_layer::Identity {
        tower_layer::Identity::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use apalis_core::{error::BoxDynError, worker::builder::WorkerBuilder};
    use tokio::sync::{Semaphore, mpsc::unbounded_channel};

    use super::*;
    use crate::numbers::{Numbers, lock, short};

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_stops_gives_back_at_once_what_waits_and_ends_after_what_runs() {
        let (source, load, stop) = (Numbers::new(5, Duration::ZERO), short(2), CancellationToken::new());
        let feed = Feed::new(source.clone(), load.clone(), stop.clone());
        let (began, mut begun) = unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let (may_end, ends) = (gate.clone(), load.clone());
        let handler = move |number: u32| {
            let (began, gate, load) = (began.clone(), may_end.clone(), ends.clone());
            async move {
                began.send(number)?;
                gate.acquire().await?.forget();
                load.end(Duration::from_secs(1));
                Ok::<(), BoxDynError>(())
            }
        };
        let worker = tokio::spawn(WorkerBuilder::new("lane").backend(feed).build(handler).run());
        assert_eq!((begun.recv().await, begun.recv().await), (Some(0), Some(1)));
        // Not given back yet, and not begun either: there are two slots.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(begun.try_recv().is_err());

        stop.cancel();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(lock(&source.given_back).clone(), [2, 3, 4]);
        assert!(!worker.is_finished());
        gate.add_permits(2);
        worker.await.expect("no panic").expect("a worker that stopped");
        assert_eq!(load.taken(), 0);
        assert!(begun.recv().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_is_dropped_gives_back_everything_and_stops_nobody_else() {
        let (source, load, stop) = (Numbers::new(5, Duration::ZERO), short(2), CancellationToken::new());
        let mut feed = Feed::new(source.clone(), load.clone(), stop.clone());
        feed.start();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((load.taken(), load.is_free()), (5, false));
        drop(feed);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut given_back = lock(&source.given_back).clone();
        given_back.sort_unstable();
        assert_eq!(given_back, [0, 1, 2, 3, 4]);
        assert_eq!((load.taken(), load.is_free()), (0, true));
        assert!(!stop.is_cancelled());
    }
}
